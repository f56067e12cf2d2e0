"""The file behind an export: a zip with one CSV."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Sequence

from aiochargebee_gw.sandbox._json import JsonObject

_EPOCH = (1980, 1, 1, 0, 0, 0)


def zipped(name: str, rows: Sequence[JsonObject]) -> bytes:
    """``<name>.csv`` in a zip: a header, then one line a row; nested objects flattened, lists as JSON."""
    flat = [_flat(row) for row in rows]
    columns = list(dict.fromkeys(column for row in flat for column in row)) or ["id"]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="")
    writer.writeheader()
    writer.writerows(flat)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        # The same rows give the same bytes: no time of day goes into the file.
        archive.writestr(zipfile.ZipInfo(f"{name}.csv", _EPOCH), text.getvalue(), zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _flat(row: JsonObject) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in row.items():
        if name == "object":
            continue
        if isinstance(value, dict) and "object" in value:
            found |= {f"{name}_{inner}": item for inner, item in _flat(value).items()}
        elif isinstance(value, dict | list):
            found[name] = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        else:
            found[name] = str(value).lower() if isinstance(value, bool) else value
    return found
