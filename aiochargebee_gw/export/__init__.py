"""Lists into files, and mirrors of them: `await export(gw.customers.list(), to="customers.jsonl")`.

**How.** What is read goes into a *journal*, a SQLite file beside the output, rows and cursors in one transaction; from
it the output is made when all is there, under a temporary name, and renamed. A process that is killed at any moment
loses nothing and repeats nothing: the same call goes on where it ended. A *manifest* beside the output says what is in
it: rows, SHA-256, passes, T0 and T1.

**What is in it.** First the list is read in the order of creation, deleted rows among it, then what has changed since
ten minutes before that began (T0), until a pass for changes takes less than ten minutes; T1 is when the last one began.
All by the server's clock. Each row that matched all the time from T0 to T1 is there once, in its newest version as of
T1; of what was written in the five minutes before T1, what the lists showed already (they lag behind writes). A row
that began or ceased to match a filter in between may be there or not; if so, as it was when it matched. A row of which
the server shows a newer `resource_version` replaces the older one; without versions, what was read last. Rows without
an id cannot be told apart: each is there as often as it was listed, and changes to them are not looked for. Lists that
have no filter on `updated_at` are read once, as of T0. Deleted rows are written only where `include_deleted` asks for
them. All this holds where a cursor names the last row, as in every cursor that Chargebee's documentation shows. Were
it a number of rows, a row that leaves the list (it ceases to match, or is deleted where deleted rows are not shown)
would hide another: `aiochargebee-gw doctor` tells which it is.

**JSONL** (`.jsonl`, `.jsonl.gz`, `.jsonl.zst`, `-`): a line is one record's own JSON object, byte for byte as the
server sent it: unknown keys, big integers and the spelling of numbers and text survive. Only line breaks between
tokens, which would tear a line in two, are taken out. With `rows="envelope"` a line is the whole row instead:
`{"customer": {...}, "card": {...}}`. `.zst` needs the extra `zstd`, before Python 3.14.

**CSV** (`.csv`; RFC 4180, UTF-8, a header line): one column per leaf of the records' nested objects, named by the path
to it: `billing_address.city` (a dot or backslash inside a key gets a backslash before it). Lists are cells of JSON
text, and so is an empty object. Numbers and booleans are spelled as the server spells them, and so is, with its quotes,
a text that UTF-8 cannot hold (half of a surrogate pair). Custom fields are columns like all others. The columns are
those of all rows together: `id` first, then in the order in which they were first seen; what a row lacks, null and an
empty text are empty cells. An export without rows has the header `id`. Cells that begin with `=`, `+`, `-` or `@` are
**not** altered, for the data must stay exact: whoever opens a file of other people's texts in a spreadsheet should
import it as text.

**Parquet** (`.parquet`; needs the extra `parquet`): the columns are the attributes that the catalogue knows, whatever
the rows hold. Times are timestamps in UTC, amounts 64-bit integers, objects and lists JSON text. `custom_fields` holds
the `cf_*` attributes as one JSON object, `extra` what no column knows, and values that do not fit into theirs (integers
of more than 64 bits, times behind the year 9999, half of a surrogate pair), as the server spelled them.

**SQLite** (`.db`): the table `documents` holds each record's JSON, deleted ones flagged; a view named like the list
(`customers`) has a column for each attribute, without deleted records, so that `select status, count(*) from
subscriptions group by 1` works. `sync` keeps such a file up to date, of several lists at once.

Down a stream (`-`, or an object with `write`) there is neither journal nor manifest: one pass, in the list's order; a
record whose id was written already is left out and counted in `ExportReport.repeated`, at some 100 bytes of memory per
row. Files are readable by their owner only.
"""

from __future__ import annotations

from ._export import check, check_all, export, export_all
from ._places import journal_of
from ._report import ExportReport, Progress
from ._sync import SyncReport, check_sync, sync

__all__ = [
    "ExportReport",
    "Progress",
    "SyncReport",
    "check",
    "check_all",
    "check_sync",
    "export",
    "export_all",
    "journal_of",
    "sync",
]
