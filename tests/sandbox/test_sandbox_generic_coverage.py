"""The README says what the sandbox imitates; here that is compared with the routes."""

from __future__ import annotations

import re
from pathlib import Path

from aiochargebee_gw.sandbox._generic.coverage import table
from aiochargebee_gw.sandbox._generic.index import paths
from aiochargebee_gw.sandbox._routes import ROUTES, find

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(r"<!-- sandbox operations -->\n(.*?)\n<!-- end -->", re.DOTALL)


def test_the_readme_tells_what_the_routes_do() -> None:
    """The README's table of operations is the one that the code makes."""
    for written in BLOCK.findall(README.read_text(encoding="utf-8")):
        assert written.strip() == table(ROUTES).strip()


def test_every_function_answers_an_operation_of_the_catalogue() -> None:
    """No route of its own is misspelt: each is in the catalogue, and every operation of this host has a route."""
    assert ROUTES.keys() <= paths().keys()
    for method, path in paths():
        assert find(method, tuple(path.replace("*", "id_1").split("/"))) is not None


def test_the_table_counts_every_operation_once() -> None:
    """Own, described and absent operations are 501 together."""
    text = table(ROUTES)
    own = sum(len(line.split("|")[2].split(",")) for line in text.splitlines()[2:] if line.startswith("|"))
    described = int(re.search(r"(\d+) operations are answered", text)[1])  # type: ignore[index]
    away = text.splitlines()[-1].count(".") - 1
    assert own + described + away == 501
