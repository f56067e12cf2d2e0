"""What a download link leads to: the PDF of an invoice, credit note or quote, the zip of an export."""

from __future__ import annotations

import base64

from aiochargebee_gw.sandbox._desk import Desk, Download
from aiochargebee_gw.sandbox._json import JsonObject
from aiochargebee_gw.sandbox._messages import Answer
from aiochargebee_gw.sandbox._pdf import amount, invoice_pdf, pdf


def served(desk: Desk, found: Download) -> Answer | None:
    """The document as it is by now; None where what it was made of is gone."""
    if found.kind == "export":
        note = desk.store.note("export_file", found.invoice_id)
        return None if note is None else _file(base64.b64decode(note["zip"]), "export.zip", "application/zip")
    row = desk.store.get(found.kind, found.invoice_id)
    if row is None:
        return None
    body = invoice_pdf(row) if found.kind == "invoice" else pdf(_lines(found.kind, row))
    return _file(body, f"{found.kind}.pdf", "application/pdf")


def _file(body: bytes, name: str, type: str) -> Answer:
    return Answer(200, body, {"Content-Disposition": f'attachment; filename="{name}"'}, type)


def _lines(kind: str, row: JsonObject) -> list[str]:
    currency = row["currency_code"]
    title = kind.replace("_", " ").capitalize()
    head = [f"{title} {row['id']}", f"Customer {row['customer_id']}", f"Status {row['status']}"]
    lines = [f"{item['description']}: {amount(item['amount'], currency)}" for item in row.get("line_items", ())]
    return [*head, *lines, f"Total {amount(row.get('total', 0), currency)}"]
