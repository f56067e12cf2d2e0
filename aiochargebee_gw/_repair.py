"""A null where the API's documentation promises a value: read as absent, as other attributes without a value are.

Chargebee leaves attributes without a value out. Should it send a null all the same, the other attributes of the row are
as good as ever; only what the decoder names as null is taken away, and only after the quick way has failed.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ._wire.document import explain

__all__ = ["decode_without_nulls"]

_STEP = re.compile(r"\.(\w+)|\[(\d+)\]", re.ASCII)
_MOST = 100


def decode_without_nulls(decoder: msgspec.json.Decoder[Any], body: bytes, refused: ValueError | RecursionError) -> Any:
    """What *decoder* makes of *body* without the nulls that it refuses. Raises *refused* for any other reason."""
    if not _is_about_null(refused):
        raise refused
    document = msgspec.json.decode(body)
    for _ in range(_MOST):
        try:
            return msgspec.convert(document, decoder.type, strict=False)
        except msgspec.ValidationError as error:
            if not _is_about_null(error) or not _remove(document, explain(error)[1]):
                raise refused from None
    raise refused


def _is_about_null(error: Exception) -> bool:
    return isinstance(error, msgspec.ValidationError) and explain(error)[0].endswith("got `null`")


def _remove(document: Any, path: str) -> bool:
    """Take away the value at *path*, "$.customer.contacts[0].enabled"; False when it is no attribute of an object."""
    *steps, last = [name or int(number) for name, number in _STEP.findall(path)] or [0]
    found = document
    for step in steps:
        found = found[step]
    if not isinstance(found, dict) or last not in found:
        return False
    del found[last]
    return True
