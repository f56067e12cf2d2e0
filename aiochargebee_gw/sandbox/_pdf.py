"""A small real PDF of an invoice: one page, one font, a correct cross-reference table."""

from __future__ import annotations

from collections.abc import Iterable

from aiochargebee_gw.sandbox._json import JsonObject

_NO_MINOR_UNIT = ("JPY", "KRW", "VND", "CLP")


def invoice_pdf(invoice: JsonObject) -> bytes:
    """The document behind an invoice's download link; shows its number, date, lines and total."""
    currency = invoice["currency_code"]
    lines = [f"Invoice {invoice['id']}", f"Customer {invoice['customer_id']}", f"Status {invoice['status']}"]
    for row in invoice.get("line_items", ()):
        lines.append(f"{row['quantity']} x {row['description']}: {amount(row['amount'], currency)}")
    lines.append(f"Total {amount(invoice.get('total', 0), currency)}")
    return pdf(lines)


def amount(value: int, currency: str) -> str:
    """``1250`` of USD is ``USD 12.50``; yen have no minor unit."""
    return f"{currency} {value}" if currency in _NO_MINOR_UNIT else f"{currency} {value / 100:.2f}"


def pdf(lines: Iterable[str]) -> bytes:
    """One A4 page with lines of text; characters outside Latin-1 become question marks."""
    text = b"BT /F1 12 Tf 16 TL 72 770 Td\n" + b"".join(b"(" + _escaped(line) + b") Tj T*\n" for line in lines) + b"ET"
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text), text),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    )
    document = b"%PDF-1.4\n"
    offsets: list[int] = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(document))
        document += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(document)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    document += b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table)
    return document + b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, start)


def _escaped(line: str) -> bytes:
    text = line.encode("latin-1", "replace")
    return text.replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
