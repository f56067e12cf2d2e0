"""Headers, bodies and error answers."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiochargebee_gw import errors
from aiochargebee_gw._wire import document
from aiochargebee_gw._wire.body import Body
from aiochargebee_gw._wire.failure import failure
from aiochargebee_gw._wire.headers import check_connection, check_extra, check_idempotency_key, retry_after
from aiochargebee_gw._wire.message import Request, Response

DATE = "Sun, 22 Nov 2026 10:00:00 GMT"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0), ("3", 3.0), (" 120 ", 120.0), ("86400", 86400.0), ("", None), ("-1", None), ("1.5", None),
        ("5_000", None), ("nan", None), ("inf", None), ("٣", None), ("1e3", None), ("9" * 10, None),
        ("Sun, 22 Nov 2026 10:00:30 GMT", 30.0), ("Sun, 22 Nov 2026 09:00:00 GMT", 0.0),
        ("Sun, 22 Nov 2026 11:00:30 +0100", 30.0), ("Sunday, 22-Nov-26 10:00:30 GMT", 30.0),
        ("Sun, 32 Nov 2026 10:00:30", None), ("soon", None),
    ],
)  # fmt: skip
def test_retry_after_is_read_as_the_rfc_says(value: str, seconds: float | None) -> None:
    """Digits or a date; a date counts from the answer's own Date, so a wrong local clock does not matter."""
    assert retry_after({"retry-after": value, "date": DATE}) == seconds


def test_a_date_without_a_date_is_no_wait() -> None:
    """Without the answer's Date, a Retry-After date tells nothing."""
    assert retry_after({"retry-after": DATE}) is None


@pytest.mark.parametrize("bad", ["", "a b", "x" * 101, "clé", "a\n", 5])
def test_bad_idempotency_keys_are_refused(bad: Any) -> None:
    """Printable ASCII, 1 to 100 characters, as Chargebee documents."""
    with pytest.raises(errors.RequestError):
        check_idempotency_key(bad)
    assert check_idempotency_key("k" * 100) == "k" * 100


@pytest.mark.parametrize("bad", ["", "a_b", "x" * 65, "é", "a\r\nb"])
def test_bad_connections_are_refused(bad: str) -> None:
    """A connection id is letters, digits and hyphens."""
    with pytest.raises(errors.RequestError):
        check_connection(bad)


@pytest.mark.parametrize(
    "headers",
    [{"Authorization": "x"}, {"maton-connection": "x"}, {"Chargebee-Idempotency-Key": "x"}, {"x y": "z"}, {"x": "é"},
     {"x": "a\r\nb"}, {"x": 5}],
)  # fmt: skip
def test_headers_of_ours_cannot_be_set(headers: dict[str, Any]) -> None:
    """Extra headers neither replace ours nor break out of their line."""
    with pytest.raises(errors.RequestError):
        check_extra(headers)
    assert check_extra({"Chargebee-Event-Email": "all-disabled"}) == {"chargebee-event-email": "all-disabled"}


def _read(data: bytes, *, encoding: str = "", limit: int = 1000) -> bytes:
    body = Body(encoding=encoding, limit=limit, status=200)
    for start in range(0, len(data), 7):
        body.feed(data[start : start + 7])
    return body.finish()


@given(st.binary(max_size=900))
def test_a_whole_body_reads_back(data: bytes) -> None:
    """Plain or gzip, in chunks: the bytes come back."""
    assert _read(data) == data
    assert _read(gzip.compress(data), encoding="GZIP", limit=2000) == data


def test_a_cut_gzip_stream_is_truncated_although_zlib_takes_it() -> None:
    """A stream without its end is refused; a plain inflater (as in aiohttp) hands out the part without a word."""
    cut = gzip.compress(b"x" * 500)[:-10]
    assert zlib.decompressobj(31).decompress(cut)
    with pytest.raises(errors.TruncatedResponse):
        _read(cut, encoding="gzip")


@pytest.mark.parametrize("size", [1000, 50_000_000])
def test_a_bomb_stops_at_the_cap(size: int) -> None:
    """What inflates beyond the cap is refused, and so is a plain body beyond it."""
    with pytest.raises(errors.ResponseTooLarge):
        _read(gzip.compress(b"\0" * size), encoding="gzip", limit=999)
    with pytest.raises(errors.ResponseTooLarge):
        _read(b"\0" * 1000, limit=999)


@pytest.mark.parametrize(
    ("data", "encoding"), [(b"plain", "gzip"), (b"x", "br"), (gzip.compress(b"x") + b"rest", "gzip")]
)
def test_a_body_in_another_form_is_invalid(data: bytes, encoding: str) -> None:
    """An encoding that was not asked for, no gzip, or bytes behind it."""
    with pytest.raises(errors.InvalidResponse):
        _read(data, encoding=encoding)


def test_an_empty_body_needs_no_encoding() -> None:
    """A server may announce gzip and send nothing."""
    assert _read(b"", encoding="gzip") == b""


PAGE = (
    b'{"list": [{"customer": {"id": "a", "n": 12345678901234567890}}, {"customer": {"id": "b"}}], "next_offset": "o"}'
)


def test_a_page_is_looked_into_without_decoding() -> None:
    """The cursor and the rows' bytes are found as they stand, numbers of any size included."""
    listing, empty = document.Listing(PAGE), document.Listing(b'{"list":[]}')
    assert (listing.next_offset, listing.count) == ("o", 2)
    assert (empty.next_offset, empty.count, empty.rows(), empty.documents("customer")) == (None, 0, [], [])
    assert listing.rows() == document.rows(PAGE)
    assert listing.documents("customer")[1] == b'{"id": "b"}'
    assert document.rows(PAGE)[0] == b'{"customer": {"id": "a", "n": 12345678901234567890}}'
    source = document.Source(PAGE)
    assert source.find((1, "customer")) == b'{"id": "b"}'
    assert source.find((0, "customer", "n")) == b"12345678901234567890"
    assert document.Source(b'{"a": [1, {"b": 2}]}').find(("a", 1, "b")) == b"2"


@pytest.mark.parametrize(
    "body",
    [
        b'{"list":[],"list":[{"customer":{"id":"a"}}]}',
        b'{"list":[{"customer":{"id":"a"}}],"next_offset":"1","next_offset":"2"}',
        b'{"list":[{"customer":{"id":"a"}}],"next_offset":null,"next_offset":"2"}',
        b'{"next_offset":"1","list":[{"customer":{}}],"next_off\\u0073et":"2"}',
        b'{"x":1,"list":[{"customer":{"id":"a"}}],"x":2}',
    ],
)
def test_a_page_that_says_two_things_is_refused(body: bytes) -> None:
    """However the key that comes twice around the rows is spelled and wherever it stands, the page is no page."""
    assert json.loads(body)["list"]
    with pytest.raises(errors.DecodeError):
        document.Listing(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"list":[{"customer":{"id":"a"},"card":{"n":1.0}},{"customer":{"x":[]}}],"next_offset":"[\\"1\\",\\"2\\"]"}',
        b'{"list":[{"customer":{"id":"a"},"customer":{"id":"b"}}]}',
        b'{"list":[{"cust\\u006fmer": {"id":"a"}}],"next_offset":"\xc3\xa9\\u00e9"}',
        b'{"next_offset":"1","list":[{"customer":"x","k\xc3\xa9":2}],"more":[1]}',
        b'{"list":[{"customer":1},{}, {"customer":2}]}',
        b'{"list":[{"customer":1},5]}',
    ],
)
def test_rows_come_as_they_were_written(body: bytes) -> None:
    """Taken apart once or cut out again, compact or not: every row has the bytes that the server wrote."""
    listing = document.Listing(body)
    rows = document.rows(body)
    assert listing.rows() == rows
    assert listing.count == len(rows)
    assert all(row in body for row in rows)
    if all(isinstance(row, dict) and "customer" in row for row in map(json.loads, rows)):
        assert [json.loads(one) for one in listing.documents("customer")] == [json.loads(r)["customer"] for r in rows]
    else:
        with pytest.raises(errors.DecodeError):
            listing.documents("customer")


@pytest.mark.parametrize("place", [0, 1, 65_500, 65_536, 140_000])
@pytest.mark.parametrize("key", [b"customer", b"card"])
def test_broken_utf8_is_found_wherever_it_stands(place: int, key: bytes) -> None:
    """Bytes that are no UTF-8 are found in every object of a row that is handed out, at every distance from the
    beginning; whole characters are not mistaken for broken ones where a piece of the body ends."""
    for text, good in ((b"\xf0\x9f\x98\x80", True), (b"\xe2\x82", False), (b"\xc3", False), (b"\xed\xa0\xbd", False)):
        for shift in range(4):
            padding = b"x" * (place + shift)
            other = b"card" if key == b"customer" else b"customer"
            body = b'{"list":[{"%b":"%b%b","%b":"%b"}]}' % (key, padding, text, other, text if good else b"")
            listing = document.Listing(body)
            if good:
                assert listing.rows() == [body[9:-2]]
                assert listing.documents("card")
                continue
            for read in (listing.rows, lambda listing=listing: listing.documents(key.decode())):
                with pytest.raises(errors.DecodeError):
                    read()
            assert listing.documents(other.decode()) == [b'""']


PARTS = st.sampled_from(
    [b"a", *(bytes([lead]) for lead in range(0x80, 0x100)), "ö".encode(), "Ł".encode(), "€".encode()]
)


@given(st.lists(PARTS, max_size=6), st.sampled_from([0, 65_533, 65_534, 65_535, 65_536]))
def test_a_text_is_refused_if_and_only_if_it_is_not_utf8(parts: list[bytes], before: int) -> None:
    """The check says what decoding says, of any bytes and at the border of two pieces."""
    text = b"x" * before + b"".join(parts)
    try:
        text.decode()
    except UnicodeDecodeError:
        with pytest.raises(errors.DecodeError):
            document.check_text(text)
    else:
        document.check_text(text)


HALF = b'{"list": [{"customer": {"id": "a", "n": "\\ud83d", "x": 12345678901234567890}}, {"customer": {"id": "b"}}]}'


def test_half_a_surrogate_pair_costs_no_other_row() -> None:
    """A text that was cut in the middle of an emoji makes msgspec refuse the page; its rows are read all the same, as
    the server spelled them."""
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(HALF)
    listing = document.Listing(HALF)
    assert (listing.next_offset, listing.count) == (None, 2)
    first, second = document.rows(HALF)
    assert json.loads(first) == json.loads(HALF)["list"][0]
    assert b"12345678901234567890" in first
    assert second == b'{"customer": {"id": "b"}}'
    assert json.loads(listing.documents("customer")[0])["n"] == "\ud83d"
    for bad in (
        HALF[:-1],
        b'["\\ud83d"]',
        b'{"list": {"x": "\\ud83d"}}',
        b'{"list": [], "x": "\\ud83d", "next_offset": 5}',
    ):
        for read in (document.rows, document.Listing):
            with pytest.raises(errors.DecodeError):
                read(bad)


@pytest.mark.parametrize(
    ("body", "path"),
    [(b"", "$"), (b"<html>", "$"), (b"[]", "$"), (b'{"next_offset": 5}', "$.next_offset"), (b'{"list": [', "$"),
     (b"[" * 100_000, "$")],
)  # fmt: skip
def test_a_bad_document_is_one_error_with_a_path(body: bytes, path: str) -> None:
    """Whatever is wrong with JSON, a DecodeError comes out; never RecursionError, never the server's text."""
    with pytest.raises(errors.DecodeError) as caught:
        document.Listing(body)
    assert caught.value.path == path
    with pytest.raises(errors.DecodeError):
        document.as_mapping(body if body != b'{"next_offset": 5}' else b"5")


def _answer(status: int, body: Any = b"", headers: dict[str, str] | None = None) -> Response:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status=status, headers=headers or {}, body=data)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, {"api_error_code": "param_wrong_value", "type": "invalid_request"}, errors.InvalidRequest),
        (400, {"api_error_code": "payment_method_not_present", "type": "payment"}, errors.PaymentFailed),
        (400, {"api_error_code": "payment_processing_failed"}, errors.PaymentFailed),
        (400, {"api_error_code": "configuration_incompatible", "error_code": "pc2_to_pc1_error"}, errors.WrongCatalog),
        (400, {"api_error_code": "configuration_incompatible", "message": "x"}, errors.InvalidRequest),
        (400, {"api_error_code": "x", "type": "operation_failed"}, errors.OperationFailed),
        (401, {"api_error_code": "api_authentication_failed"}, errors.Unauthorized),
        (402, {"api_error_code": "x"}, errors.PaymentFailed),
        (403, {"api_error_code": "request_blocked"}, errors.Forbidden),
        (404, {"api_error_code": "resource_not_found"}, errors.NotFound),
        (405, {"api_error_code": "http_method_not_supported"}, errors.InvalidRequest),
        (409, {"api_error_code": "invalid_state_for_request"}, errors.Conflict),
        (422, {"api_error_code": "unable_to_process_request"}, errors.IdempotencyConflict),
        (429, {"api_error_code": "lock_timeout"}, errors.RateLimited),
        (500, {"api_error_code": "internal_error"}, errors.OperationFailed),
        (503, {"api_error_code": "site_not_ready"}, errors.ServiceUnavailable),
        (418, {"api_error_code": "new_code"}, errors.InvalidRequest),
        (400, {"error": "x"}, errors.MissingConnection),
        (401, b"no", errors.InvalidApiKey),
        (429, b"", errors.GatewayRateLimited),
        (500, b"<html>503</html>", errors.AuthorizationExpired),
        (404, {"message": "x"}, errors.MatonError),
        (503, b"<html>", errors.ServiceUnavailable),
        (504, {"api_error_code": 5}, errors.ServiceUnavailable),
        (302, b"", errors.UnexpectedRedirect),
        (101, b"", errors.InvalidResponse),
    ],
)
def test_each_error_answer_has_its_class(status: int, body: Any, expected: type[Exception]) -> None:
    """Status and api_error_code decide; a body without a code is the gateway's; text is never searched for numbers."""
    found = failure(_answer(status, body), "GET /x")
    assert type(found) is expected
    assert str(found).startswith("GET /x: ")


@pytest.mark.parametrize("status", [400, 500])
def test_the_control_plane_is_no_gateway(status: int) -> None:
    """A 400 or 500 of the control plane says nothing about a Chargebee connection."""
    assert type(failure(_answer(status), "x", control=True)) is errors.MatonError


def test_success_is_no_failure() -> None:
    """2xx is no error, whatever the body."""
    assert failure(_answer(204), "x") is None


def test_an_error_carries_data_and_prints_none_of_it() -> None:
    """The server's words may quote a person: they are in fields, not in str()."""
    body = {"api_error_code": "param_wrong_value", "param": "email", "message": "jane@example.com is bad", "type": "t"}
    found = failure(_answer(400, body, {"retry-after": "7", "x": "jane@example.com"}), "POST /api/v2/customers")
    assert isinstance(found, errors.InvalidRequest)
    assert (found.code, found.param, found.type, found.retry_after) == ("param_wrong_value", "email", "t", 7.0)
    assert found.message == "jane@example.com is bad"
    assert str(found) == "POST /api/v2/customers: 400 param_wrong_value (email)"
    assert "jane" not in repr(found)


def test_messages_hide_what_they_carry() -> None:
    """The repr of a request or an answer shows no header, no query and no body."""
    request = Request(method="GET", url="https://h/x?email=jane", headers={"a": "secret"}, body=b"pw", label="GET /x")
    shown = repr(request) + repr(_answer(200, b"pw", {"a": "secret"}))
    assert not any(word in shown for word in ("jane", "secret", "pw"))
