"""The one static page, with a policy that lets nothing else run in it."""

from __future__ import annotations

import base64
import re
from functools import cache
from hashlib import sha256
from importlib.resources import files

from aiochargebee_gw.sandbox._messages import Answer

__all__ = ["page"]


@cache
def page() -> Answer:
    """The console's page."""
    html = files("aiochargebee_gw.sandbox._console").joinpath("page.html").read_bytes()
    script = re.search(rb"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(sha256(script[1] if script else b"").digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    )
    headers = {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return Answer(200, html, headers, "text/html; charset=utf-8")
