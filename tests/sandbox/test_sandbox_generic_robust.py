"""Whatever is sent to a described operation, the answer is one that the catalogue allows or an error of Chargebee's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random

import pytest

from aiochargebee_gw.sandbox._routes import ROUTES
from aiochargebee_gw.sandbox._site import Site

from .schema import Row, faults_of_answer, faults_of_error, operations, parameters
from .test_sandbox_schema import known_ids, path_id, send, site

__all__ = ["site"]
GARBAGE = (
    "", "0", "-1", "1", "true", "False", "nan", "1e999", "9" * 40, "1.5", "[]", "{}", "[", '{"a":null}', '["a"]',
    "x" * 2000, "æøå", "\ud800".encode("utf-8", "replace").decode(), "a\0b", "'; DROP TABLE objects; --", "1700000000",
)  # fmt: skip
ROWS = [
    row
    for row in operations()
    if row.told["sub_domain"] is None
    and (row.told["http"], row.told["path"].strip("/").replace("{id}", "*")) not in ROUTES
]


def spoilt(random: Random, row: Row, known: dict[str, str]) -> Iterator[list[tuple[str, str]]]:
    """Legal parameters with garbage in some, with keys bent out of shape, and with garbage filters."""
    legal = parameters(row.told, known, optional=True)
    for _ in range(4):
        sent = [(key, random.choice(GARBAGE) if random.random() < 0.3 else text) for key, text in legal]
        sent += [(f"{key}[{random.choice(['0', 'x', ''])}]", text) for key, text in legal[:3]]
        for name, one in row.told.get("filters", {}).items():
            for operator in one.get("operators", ("is",)):
                sent.append((f"{name}[{operator}]", random.choice(GARBAGE)))
        random.shuffle(sent)
        yield sent[: random.randrange(len(sent) + 1)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_garbage_is_answered(site: Site, row: Row) -> None:
    """No garbage breaks an operation: 200 with a body that validates, or 4xx with all the keys of an error."""
    random = Random(row.id)
    id = path_id(site, row)
    for sent in spoilt(random, row, known_ids(site)):
        answer = send(site, row, random.choice([id, id, "nothing", "æ"]), sent)
        body = json.loads(answer.body)
        if answer.status == 200:
            assert faults_of_answer(row, body) == [], sent
        else:
            assert 400 <= answer.status < 500, sent
            assert faults_of_error(answer.status, body) == [], sent
