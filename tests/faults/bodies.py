"""Bodies that a server should never send: crafted one by one, and mutated from good ones."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

__all__ = ["CRAFTED", "SEEDS", "duplicated", "mutants", "oracle", "walk"]

_CUSTOMER: dict[str, Any] = {
    "id": "c1",
    "first_name": "Zoë",
    "email": "a@example.com",
    "auto_collection": "on",
    "net_term_days": 0,
    "created_at": 1517505731,
    "updated_at": 1517505731,
    "resource_version": 1517505731000,
    "deleted": False,
    "object": "customer",
    "billing_address": {"first_name": "A", "country": "NO", "object": "billing_address"},
    "balances": [{"promotional_credits": 0, "currency_code": "EUR", "object": "customer_balance"}],
    "cf_region": "EU",
    "cf_ratio": 0.5,
    "new_thing": {"a": [1, 2.5, None, True, "x"]},
}
_CARD = {"status": "valid", "gateway": "chargebee", "iin": "411111", "last4": "1111", "object": "card"}


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


_ROW = {"customer": _CUSTOMER, "card": _CARD}
PAGE = _json({"list": [_ROW, _ROW], "next_offset": '["1771176208000","96000000006"]'})
SINGLE = _json(_ROW)
SEEDS = [
    PAGE,
    json.dumps(json.loads(PAGE), indent=2).encode(),
    SINGLE,
    _json({"list": []}),
    _json({"message": "no", "type": "invalid_request", "api_error_code": "param_wrong_value", "param": "id"}),
]

# What is not JSON at all, or more than one document of it.
_FOREIGN = [
    b"", b" ", b"\n\n", b"<html><body>502 Bad Gateway</body></html>", b"OK", b"null", b"true", b"[]", b"[1]", b'"x"',
    b"0", b"-0", b"1e5", b"{}", b"{}{}", b"{} x", b"{}\x00", b"{", b"}", b"[", b"{]", b"{,}", b'{"a"}', b'{"a":}',
    b'{"a":1,}', b"{'a':1}", b"{a:1}", b'{"a":1 "b":2}', b"/* c */{}", b"// c\n{}", b"\xef\xbb\xbf{}",
    '{"customer":{"id":"a"}}'.encode("utf-16"), '{"customer":{"id":"a"}}'.encode("utf-32-le"),
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00", b"\x00" * 64, b"\xff" * 64, b'while(1);{"customer":{"id":"a"}}',
    b'customer({"customer":{"id":"a"}})', b"%PDF-1.4", b"\x16\x03\x01",
]  # fmt: skip
# Values that stand where an attribute's value should: each goes into a page and into a single answer.
_VALUES = [
    b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"1" * 5000, b"-" + b"9" * 5000, b"0." + b"1" * 5000, b"01",
    b"1.", b".5", b"+1", b"1_000", b"0x10", b"\xd9\xa1", b"None", b"undefined", b"True", b"[" * 100_000,
    b'{"a":' * 100_000, b"[" * 3000 + b"]" * 3000, b'"\\ud800"', b'"\\udc00\\ud800"', b'"\xed\xa0\x80"', b'"\xff"',
    b'"\xc0\xaf"', b'"\x00"', b'"\x1f"', b'"\\x41"', b'"\\u12"', b'"\\', b'"a', b'{"id":"a","id":"b"}',
    b'{"a":1,"\\u0061":2}', b'"' + b"a" * 1_000_000 + b'"', b"[" + b"0," * 100_000 + b"0]",
]  # fmt: skip
# Shapes of a page and of an answer that nobody promised.
_SHAPES = [
    b'{"list":null}', b'{"list":{}}', b'{"list":"x"}', b'{"list":[null]}', b'{"list":[1]}', b'{"list":["x"]}',
    b'{"list":[[]]}', b'{"list":[{}]}', b'{"list":[{"customer":null}]}', b'{"list":[{"customer":[]}]}',
    b'{"list":[{"customer":{}}]}', b'{"list":[{"customer":{"id":1}}]}', b'{"list":[{"card":{}}]}',
    b'{"list":[{"customer":{"id":"a"}}],"list":[]}', b'{"list":[],"list":[{"customer":{"id":"a"}}]}',
    b'{"list":[{"customer":{"id":"a"}}],"next_offset":"1","next_offset":"2"}',
    b'{"next_offset":"1","list":[{"customer":{"id":"a"}}],"next\\u005foffset":"2"}',
    b'{"list":[{"customer":{"id":"a"}} , {"customer":{"id":"a"}}],"li\\u0073t":[{"customer":{"id":"a"}}]}',
    b'{"list":[{"customer":{"id":"a"}}],"x":{"a":1,"a":2}}', b'{"list":[],"next_offset":5}',
    b'{"customer":{"id":"a"},"customer":{"id":"b"}}', b'{"customer":"a"}', b'{"customer":[{"id":"a"}]}',
    b'{"customer":{"id":null}}', b'{"customer":{"id":{"a":1}}}', b'{"connection":{}}', b'{"connections":null}',
    b'{"api_error_code":["x"],"message":{"a":1},"type":5,"param":[]}',
    b'{"api_error_code":"x","api_error_code":"duplicate_entry","message":"\\ud800"}',
]  # fmt: skip
CRAFTED: list[bytes] = [
    *_FOREIGN,
    *_SHAPES,
    *(b'{"list":[{"customer":{"id":"a","first_name":%b}}]}' % value for value in _VALUES),
    *(b'{"list":[{"customer":{"id":"a","unheard_of":%b}},{"customer":{"id":"b"}}]}' % value for value in _VALUES),
    *(b'{"customer":{"id":"a","cf_x":%b}}' % value for value in _VALUES),
    *(b'{"message":%b,"api_error_code":"x"}' % value for value in _VALUES),
]

_PIECES = [
    b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"null", b"NaN", b"1e999", b"-", b"\\ud83d", b"\xff", b"\x00",
    b"\xef\xbb\xbf", b'"id":"x",', b'"list":[],', b'"next_offset":"z",', b'"customer":{},', b"[" * 2000, b"9" * 400,
]  # fmt: skip


def mutants(count: int, seed: int) -> Iterator[bytes]:
    """*count* good bodies with one to four things done to each: cut, doubled, flipped, moved, or given a piece of what
    hurts. The same for the same *seed*."""
    draw = random.Random(seed)
    for _ in range(count):
        body = bytearray(draw.choice(SEEDS))
        for _ in range(draw.randint(1, 4)):
            _mutate(body, draw)
        yield bytes(body)


def _mutate(body: bytearray, draw: random.Random) -> None:
    at, until = sorted((draw.randint(0, len(body)), draw.randint(0, len(body))))
    until = min(until, at + draw.choice((1, 8, 400)))
    kind = draw.randrange(6)
    if kind == 0:
        del body[at:until]
    elif kind == 1:
        body[at:at] = draw.choice(_PIECES)
    elif kind == 2:
        body[at:at] = body[at:until]
    elif kind == 3 and body:
        body[min(at, len(body) - 1)] = draw.randrange(256)
    elif kind == 4:
        del body[at:]
    else:
        body[at:until] = draw.choice(_PIECES)


class _Pairs(list[tuple[str, Any]]):
    """An object as it is written, keys twice and all."""


def oracle(body: bytes) -> Any:
    """*body* read by Python's own decoder, with each object as its pairs. Raises `ValueError` for what is no JSON."""
    return json.loads(body.decode("utf-8"), object_pairs_hook=_Pairs, parse_constant=_refuse, parse_int=str)


def _refuse(name: str) -> Any:
    raise ValueError(name)


def duplicated(found: Any, *, deep: bool = True) -> bool:
    """Whether an object that `oracle` read has a key twice; with *deep*, also one inside of it."""
    return any(
        len({key for key, _ in each}) < len(each)
        for each in (walk(found) if deep else [found])
        if isinstance(each, _Pairs)
    )


def walk(found: Any) -> Iterator[Any]:
    """Every value in what `oracle` read, itself first. Newer Pythons read deeper than they call."""
    todo = [found]
    while todo:
        each = todo.pop()
        yield each
        if isinstance(each, _Pairs):
            todo += [value for _, value in each]
        elif isinstance(each, list):
            todo += each
