"""The few pages that a person sees: connecting an account, a hosted page. They load nothing from elsewhere."""

from __future__ import annotations

from html import escape

from aiochargebee_gw.sandbox._messages import Answer

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:32rem;margin:4rem auto;padding:0 1rem}"
    "main{border:1px solid #8886;border-radius:.8rem;padding:1.4rem 2rem 2rem}"
    "h1{font-size:1.4rem}"
    "button{font:inherit;font-weight:600;padding:.6rem 1.4rem;border:0;border-radius:.4rem}"
    "button{background:#b8430f;color:#fff}"
    "button:focus-visible{outline:3px solid Highlight;outline-offset:2px}"
)


def _html(status: int, title: str, body: str) -> Answer:
    page = (
        "<!doctype html>\n"
        '<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{escape(title)}</title><style>{_STYLE}</style></head>\n'
        f"<body><main><h1>{escape(title)}</h1>\n{body}\n</main></body></html>\n"
    )
    return Answer(status, page.encode(), _HEADERS, "text/html; charset=utf-8")


def ask(session_token: str) -> Answer:
    """The page that a connection's ``url`` opens: opening it changes nothing, its one button authorizes."""
    form = (
        "<p>The sandbox asks for access to a Chargebee site that it has made up. No real account is touched.</p>\n"
        '<form method="post" action="/connect">'
        f'<input type="hidden" name="session_token" value="{escape(session_token)}">'
        '<button type="submit">Authorize</button></form>'
    )
    return _html(200, "Connect Chargebee", form)


def connected() -> Answer:
    """What the click shows."""
    return _html(200, "Chargebee is connected", "<p>You can close this page.</p>")


def no_session() -> Answer:
    """404: the token belongs to no connection."""
    return _html(404, "Unknown session", "<p>This link belongs to no connection of this sandbox.</p>")


def refused() -> Answer:
    """403: the form was sent from another page."""
    return _html(403, "Refused", "<p>This form was not sent from the sandbox's own page.</p>")


def hosted(type: str, state: str) -> Answer:
    """A stand-in for a hosted page; opening it changes nothing."""
    return _html(200, "Chargebee hosted page", f"<p>Type: {escape(type)}<br>State: {escape(state)}</p>")


def gone() -> Answer:
    """404: nothing behind this link."""
    return _html(404, "Not found", "<p>There is nothing behind this link.</p>")
