"""Whatever comes in, an answer goes out: nothing makes the sandbox fail, and the house keeps its own rules."""

from __future__ import annotations

import ast
import asyncio
import json
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiochargebee_gw.sandbox import ManualClock, Sandbox, _params
from aiochargebee_gw.sandbox import __file__ as package_file
from aiochargebee_gw.sandbox._doors import make_call
from aiochargebee_gw.sandbox._lists import LISTS
from aiochargebee_gw.sandbox._routes import ROUTES
from aiochargebee_gw.sandbox._seed.world import seeded_store
from aiochargebee_gw.sandbox._site import Site

HOUSE = sorted(Path(package_file).parent.rglob("*.py"))
SITE = Site(
    seeded_store(3, 7, "both"), now=ManualClock().now, origin=lambda: "http://here", seed="fuzz", catalog="both"
)

PIECES = ["is", "in", "between", "after", "asc", "0", "1", "id", "status", "email", "cf_x", "", "json", "-1"]
VALUES = [
    "",
    "0",
    "-1",
    "true",
    "[",
    "[]",
    "['a']",
    '["a","b"]',
    "[1,2]",
    "cust_1",
    "\ud800",
    "9" * 30,
    "{}",
    "null",
    "é",
]
NAMES = sorted(
    {name for spec in LISTS.values() for name in spec.fields}
    | {name for schema in vars(_params).values() if isinstance(schema, dict) for name in schema}
    | {"limit", "offset", "sort_by", "include_deleted", "customer", "subscription_items"}
)
KEYS = st.builds(
    lambda name, parts: name + "".join(f"[{part}]" for part in parts),
    st.sampled_from(NAMES) | st.text(max_size=5),
    st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=3),
)
FORMS = st.lists(st.tuples(KEYS, st.sampled_from(VALUES) | st.text(max_size=12)), max_size=6).map(
    lambda pairs: urlencode(pairs, errors="surrogatepass")
)
PATHS = st.builds(
    lambda route, id: "/" + route.replace("*", id),
    st.sampled_from(sorted({path for _, path in ROUTES})),
    st.sampled_from(["cust_1", "sub_1", "inv_1", "basic-USD-Monthly", "x", "%00", "%F0", "\udcff", ""]),
)


@settings(deadline=None, max_examples=400)
@given(method=st.sampled_from(["GET", "POST", "PUT"]), path=PATHS, query=FORMS, body=FORMS | st.binary(max_size=30))
def test_any_request_is_answered(method: str, path: str, query: str, body: str | bytes) -> None:
    """Odd names, values, brackets and bytes give an answer below 500 whose body is JSON without nulls."""
    sent = body if isinstance(body, bytes) else body.encode()
    call = make_call(method, f"{path}?{query}", {}, sent, path)
    answer = SITE.answer(call)
    assert answer.status < 500
    assert ":null" not in json.dumps(json.loads(answer.body), separators=(",", ":"))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("line", "key"),
    [
        (b"GET /chargebee/api/v2/customers/\xff", b""),
        (b"GET /connect?session_token=\xff", b""),
        (b"GET /chargebee/api/v2/customers", b"\xff"),
    ],
)
async def test_raw_bytes(sandbox: Sandbox, line: bytes, key: bytes) -> None:
    """Bytes above ASCII in the request line or the key are refused or not found, never a failure."""
    authority = sandbox.url.removeprefix("http://")
    reader, writer = await asyncio.open_connection(*authority.split(":"))
    head = b"%s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n"
    writer.write(head % (line, authority.encode(), sandbox.api_key.encode() + key))
    assert (await reader.readuntil(b"\r\n\r\n"))[9:12] in (b"400", b"401", b"404")
    writer.close()
    await writer.wait_closed()


def functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """All functions of a module."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_house_sizes() -> None:
    """Modules have at most 400 lines, functions at most 60, about 5 in the median body."""
    bodies: list[int] = []
    for file in HOUSE:
        text = file.read_text("utf-8")
        assert text.count("\n") <= 400, file.name
        for node in functions(ast.parse(text)):
            assert (node.end_lineno or 0) - node.lineno < 60, (file.name, node.name)
            bodies.append((node.end_lineno or 0) - node.body[0].lineno + 1)
    assert median(bodies) <= 8


def test_house_imports() -> None:
    """The sandbox takes nothing from the client but the public names that ``gateway()`` needs."""
    for file in HOUSE:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("aiochargebee_gw"):
                module = node.module or ""
                public = module == "aiochargebee_gw" and {name.name for name in node.names} <= {"Gateway", "Settings"}
                assert public or module.startswith("aiochargebee_gw.sandbox"), (file.name, module)
