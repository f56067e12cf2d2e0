"""Bytes to objects: pages of 100 rows, typed, against `json.loads` to dicts and the official SDK.

    python benchmarks/decode.py [rounds]

Prints milliseconds of CPU per page and ratios to `json.loads` from one run. The bars: typed records at most 0.6 times
`json.loads`, a projection of ten fields at most 0.2, the SDK at least 15 times slower than typed records.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import attrs
from _data import pages
from _measure import compare, table

from aiochargebee_gw._page import answer_class, decode_records, decode_rows, record_class
from aiochargebee_gw._wire import document


def _projection(cls: type) -> type:
    fields = {field.name: field for field in attrs.fields(cls)}
    names = [name for name in fields if fields[name].default is attrs.NOTHING or name.endswith("_id")][:10]
    made = type("Projection", (), {"__annotations__": dict.fromkeys(names, Any), **dict.fromkeys(names)})
    return attrs.define(made)


def _sdk(resource: str) -> Callable[[bytes], object] | None:
    try:
        responses = importlib.import_module(f"chargebee.models.{resource}.responses")
        from chargebee.responses import Response
    except ImportError:
        return None

    def parse(body: bytes) -> object:
        return Response(responses.ListResponse, json.loads(body), {}, 200).parse()

    return parse


def main(rounds: int) -> None:
    """Runs the three resources."""
    for resource, plural in (("customer", "customers"), ("subscription", "subscriptions"), ("invoice", "invoices")):
        operation = importlib.import_module(f"aiochargebee_gw.resources.{plural}")._LIST
        cls = record_class(operation.record)
        row = answer_class(operation.resource, operation.answer)
        small = _projection(cls)
        variants: dict[str, Callable[[bytes], object]] = {
            "json.loads": json.loads,
            "typed records": partial(decode_records, operation=operation, cls=cls),
            "typed rows (every object of the row)": partial(decode_rows, cls=row, label=operation.label),
            "projection, 10 fields": partial(decode_records, operation=operation, cls=small),
            "raw rows": document.rows,
            "next_offset and rows, undecoded": document.Listing,
        }
        if sdk := _sdk(resource):
            variants["official SDK"] = sdk
        body = pages(resource)
        times = compare(variants, body, rounds)
        ratios = table(f"{resource}: 100 rows, {len(body[0]) // 1000} kB", times, "json.loads")
        if "official SDK" in ratios:
            print(
                f"the SDK takes {ratios['official SDK'] / ratios['typed records']:.1f} times as long as typed records"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
