"""No id, path or setting leads anywhere but where it should."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiochargebee_gw import ConfigurationError, RequestError
from aiochargebee_gw._wire.url import check_key, check_path, fill, origin
from aiochargebee_gw.settings import Secret

TEMPLATE = "/customers/{id}/contacts"

HOSTILE = [
    "", ".", "..", "../subscriptions/s1/cancel", "../../../slack/api/x", "a/../b", "a/./b", "%2e%2e", "%2E%2e/x",
    "%252e%252e", "..\\x", "a\\..\\b", "a\r\nX: y", "a\x00b", "%0d%0aX", "\x7f", "x" * 101, "\ud800", "%2e", "..%2fx",
]  # fmt: skip


@pytest.mark.parametrize("id", HOSTILE)
def test_a_hostile_id_is_refused(id: str) -> None:
    """An id that could leave its template, once or twice decoded, never reaches the wire."""
    with pytest.raises(RequestError) as caught:
        fill(TEMPLATE, id)
    assert caught.value.field == "id"


@pytest.mark.parametrize("id", [None, 5, b"x"])
def test_an_id_is_a_string(id: object) -> None:
    """Another type is refused rather than printed into a path."""
    with pytest.raises(RequestError):
        fill(TEMPLATE, id)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("id", "path"),
    [
        ("cust_1", "/customers/cust_1/contacts"),
        ("a b", "/customers/a%20b/contacts"),
        ("a/b", "/customers/a%2Fb/contacts"),
        ("a?b#c", "/customers/a%3Fb%23c/contacts"),
        ("//evil.example/x", "/customers/%2F%2Fevil.example%2Fx/contacts"),
        ("100%", "/customers/100%25/contacts"),
        ("é", "/customers/%C3%A9/contacts"),
        ("a..b", "/customers/a..b/contacts"),
    ],
)
def test_an_odd_id_is_quoted_whole(id: str, path: str) -> None:
    """Ids that users may choose (spaces, slashes, percent signs) are one path segment."""
    assert fill(TEMPLATE, id) == path


@given(st.text(max_size=40))
def test_an_id_stays_one_segment(id: str) -> None:
    """Whatever the text: it is refused, or the path has the template's segments and reads back as the text."""
    try:
        path = fill(TEMPLATE, id)
    except RequestError:
        return
    segments = path.split("/")
    assert len(segments) == 4
    assert unquote(segments[2]) == id


@pytest.mark.parametrize("path", ["/api/v2/customers", "/api/v2/customers/a%2Fb", "/api/v2/x:y"])
def test_a_path_below_the_api_is_taken(path: str) -> None:
    """An untyped call may go anywhere below /api/v2/."""
    assert check_path(path) == path


@pytest.mark.parametrize(
    "path",
    ["", "customers", "/api/v1/x", "/api/v2", "/api/v2/../../slack", "/api/v2/%2e%2e/x", "/api/v2//x", "/api/v2/x?y=1",
     "/api/v2/x#y", "https://evil.example/api/v2/x", "/api/v2/x\n", "/api/v2/a/./b", None],
)  # fmt: skip
def test_a_path_that_leaves_the_api_is_refused(path: str) -> None:
    """A raw path cannot reach another app of the account, nor smuggle a query."""
    with pytest.raises(RequestError):
        check_path(path)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://gateway.maton.ai", "https://gateway.maton.ai"),
        ("https://gateway.maton.ai/", "https://gateway.maton.ai"),
        ("https://h:8443", "https://h:8443"),
        ("http://127.0.0.1:80", "http://127.0.0.1:80"),
        ("http://localhost:1", "http://localhost:1"),
        ("http://[::1]:5", "http://[::1]:5"),
    ],
)
def test_an_origin_is_normalised(url: str, expected: str) -> None:
    """https anywhere, http on this machine."""
    assert origin(url, "x") == expected


@pytest.mark.parametrize(
    "url",
    ["", "gateway.maton.ai", "http://gateway.maton.ai", "ftp://h", "https://u:p@h", "https://h/chargebee", "https://h?x",
     "https://h:port", "http://127.0.0.1.evil.example", None, "https://["],
)  # fmt: skip
def test_a_bad_origin_names_its_setting(url: str) -> None:
    """A URL that could carry the key elsewhere is refused by the setting's name."""
    with pytest.raises(ConfigurationError, match=r"Settings\.x"):
        origin(url, "Settings.x")


@pytest.mark.parametrize(
    ("key", "url"),
    [
        ("key_1234", "http://127.0.0.1:1"),
        ("sandbox_x", "https://gateway.maton.ai"),
        ("", "https://gateway.maton.ai"),
        ("a b", "https://gateway.maton.ai"),
        ("clé", "https://gateway.maton.ai"),
        ("a\n", "https://gateway.maton.ai"),
    ],
)
def test_keys_stay_where_they_belong(key: str, url: str) -> None:
    """Real keys never over http, sandbox keys never to another machine, and no error shows a key."""
    with pytest.raises(ConfigurationError) as caught:
        check_key(Secret(key), url)
    assert not key or key not in str(caught.value)
