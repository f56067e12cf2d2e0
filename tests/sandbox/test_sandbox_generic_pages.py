"""Pages far behind the first one cost what the first one costs, whatever is filtered and sorted by."""

from __future__ import annotations

import json
import subprocess
import sys
from urllib.parse import quote

import pytest

from aiochargebee_gw.sandbox._kinds import KINDS
from aiochargebee_gw.sandbox._lists import LISTS
from aiochargebee_gw.sandbox._paging import page, read_query
from aiochargebee_gw.sandbox._store import Store, stored

ROWS, BEGIN = 5_000, 1_600_000_000
SPEC = LISTS["invoices"]
QUERIES = {
    "nothing": "",
    "a lower bound, ascending": f"&date[after]={BEGIN - 1}&sort_by[asc]=date",
    "an upper bound, descending": f"&date[before]={BEGIN * 2}&sort_by[desc]=date",
    "both bounds, ascending": f"&date[between]=[{BEGIN},{BEGIN * 2}]&sort_by[asc]=date",
    "both bounds, descending": f"&date[between]=[{BEGIN},{BEGIN * 2}]&sort_by[desc]=date",
    "changes": f"&updated_at[between]=[{BEGIN},{BEGIN * 2}]&sort_by[asc]=updated_at",
}


class Counted(Store):
    """A store that counts SQLite's steps."""

    steps = 0

    def count_steps(self) -> None:
        """Count from now on, by the hundred."""
        self.steps = 0
        self._db.set_progress_handler(self._step, 100)

    def _step(self) -> int:
        self.steps += 1
        return 0


@pytest.fixture(scope="module")
def store() -> Counted:
    """Five thousand invoices, one a minute."""
    invoice = {"object": "invoice", "total": 100}
    return Counted(
        stored(KINDS["invoice"], {**invoice, "id": f"i{n}", "date": BEGIN + n * 60, "updated_at": BEGIN + n * 61}, 0)
        for n in range(ROWS)
    )


def steps_by_page(store: Counted, query: str) -> list[int]:
    """Hundreds of steps of each page, to the end."""
    found: list[int] = []
    text = f"limit=100{query}"
    rows = 0
    while True:
        store.count_steps()
        answer = json.loads(page(store, SPEC, read_query(SPEC, text, strict=True)))
        found.append(store.steps)
        rows += len(answer["list"])
        if "next_offset" not in answer:
            assert rows == ROWS
            return found
        text = f"limit=100{query}&offset={quote(answer['next_offset'])}"


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
def test_a_late_page_costs_what_the_first_one_costs(store: Counted, query: str) -> None:
    """No page takes more than three times the steps of the first one: the index is entered at the cursor."""
    steps = steps_by_page(store, query)
    assert max(steps) <= 3 * max(steps[0], 1)


def test_a_filter_that_competes_with_the_cursor_is_slow(store: Counted) -> None:
    """The naive statement, both bounds side by side, walks through all pages before its own: so the care is needed."""
    low = store._db.execute("SELECT max(row) FROM objects").fetchone()[0]
    sql = (
        "SELECT count(*) FROM (SELECT o.row FROM objects AS o WHERE o.kind = 'invoice' AND o.born > ? "
        "AND (o.born, o.row) > (?, ?) ORDER BY o.born ASC, o.row ASC LIMIT 101)"
    )
    store.count_steps()
    store._db.execute(sql, (BEGIN - 1, BEGIN + 4_800 * 60, low - 200)).fetchone()
    naive = store.steps
    assert naive > 10 * max(steps_by_page(store, QUERIES["a lower bound, ascending"]))


MILLION = """
import json, resource
from aiochargebee_gw.sandbox._kinds import KINDS
from aiochargebee_gw.sandbox._lists import LISTS
from aiochargebee_gw.sandbox._paging import page, read_query
from aiochargebee_gw.sandbox._seed.world import seeded_store
from aiochargebee_gw.sandbox._store import Store, stored
seeded = seeded_store(50, 7, "pc2")
models = [seeded.get("customer", f"cust_{number}") for number in range(1, 51)]
rows = (stored(KINDS["customer"], {**models[n % 50], "id": f"c{n}"}, 0) for n in range(1_000_000))
store = Store(rows)
answer = json.loads(page(store, LISTS["customers"], read_query(LISTS["customers"], "limit=100", strict=True)))
print(store.count("customer"), len(answer["list"]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.soak
def test_a_million_rows_fit_into_two_gibibytes() -> None:
    """A process whose store holds a million customers like the seeded ones has never had more than 2 GiB."""
    run = subprocess.run([sys.executable, "-c", MILLION], capture_output=True, text=True, check=True, timeout=300)
    count, listed, kibibytes = map(int, run.stdout.split())
    assert (count, listed) == (1_000_000, 100)
    assert kibibytes < 2 * 2**20
