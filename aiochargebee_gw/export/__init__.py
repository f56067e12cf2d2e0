"""Lists into files: `await export(gw.customers.list(), to="customers.jsonl")`.

**JSONL** (`.jsonl`, `-`): a line is one record's own JSON object, byte for byte as the server sent it: unknown keys,
big integers and the spelling of numbers and text survive. Only line breaks between tokens, which would tear a line in
two, are taken out. With `rows="envelope"` a line is the whole row instead: `{"customer": {...}, "card": {...}}`.

**CSV** (`.csv`; RFC 4180, UTF-8, a header line): one column per leaf of the records' nested objects, named by the path
to it: `billing_address.city` (a dot or backslash inside a key gets a backslash before it). Lists are cells of JSON
text, and so is an empty object. Numbers and booleans are spelled as the server spells them, and so is, with its quotes,
a text that UTF-8 cannot hold (half of a surrogate pair). Custom fields are columns like all others. The columns are
those of all rows together: `id` first, then in the order in which they were first seen; what a row lacks, null and an
empty text are empty cells. An export without rows has the header `id`. Cells that begin with `=`, `+`, `-` or `@` are
**not** altered, for the data must stay exact: whoever opens a file of other people's texts in a spreadsheet should
import it as text.

A file appears under its name when it is whole, readable by its owner only; after an error or a cancellation nothing of
it remains. While rows are paged, a server may move one behind the cursor: a record whose id was written already is left
out and counted in `ExportReport.repeated`. This costs some 100 bytes of memory per row.
"""

from __future__ import annotations

from ._export import check, export
from ._report import ExportReport, Progress

__all__ = ["ExportReport", "Progress", "check", "export"]
