"""Errors, settings and records as values."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import attrs
import pytest

from aiochargebee_gw import ConfigurationError, Limits, Retry, Settings, Timeouts, converter, errors
from aiochargebee_gw._page import Trail, decode_answer, decode_records, decode_rows
from aiochargebee_gw.records import Customer, CustomerBillingAddress, CustomerListRow
from aiochargebee_gw.resources import customers
from aiochargebee_gw.settings import Secret

CLASSES = [getattr(errors, name) for name in errors.__all__]


def _make(cls: type[errors.GatewayClientError]) -> errors.GatewayClientError:
    given: dict[str, Any] = {"operation": "GET /x"}
    names = inspect.signature(cls).parameters
    known = {"sent": True, "status": 400, "code": "c", "body": b"jane@example.com", "headers": {"a": "secret"},
             "message": "jane@example.com", "retry_after": 1.5, "path": "$.a", "offset": "o", "attempts": 2,
             "idempotency_key": "k", "field": "email", "given": "str", "legal": ("a",), "param": "p"}  # fmt: skip
    given |= {name: value for name, value in known.items() if name in names}
    return cls("text", **given)


@pytest.mark.parametrize("cls", CLASSES)
def test_errors_are_data(cls: type[errors.GatewayClientError]) -> None:
    """Every error pickles with all its fields, copies, and prints neither headers nor what the server wrote."""
    error = _make(cls)
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(other) is cls
        assert vars(other) == vars(error)
        assert str(other) == str(error) == "GET /x: text"
    assert "jane" not in repr(error)
    assert "secret" not in repr(error)
    assert isinstance(error, errors.GatewayClientError)
    assert cls.__doc__


def test_the_tree_is_the_one_in_the_docstring() -> None:
    """The classes drawn in the module's docstring are the classes of the module."""
    assert errors.__doc__ is not None
    drawn = set(re.findall(r"\b[A-Z]\w+", errors.__doc__.split("```")[1])) - {"URL", "ValueError", "TransportError"}
    assert drawn | {"TransportError"} == set(errors.__all__)
    assert not issubclass(errors.OutcomeUnknown, errors.TransportError)
    assert issubclass(errors.RequestError, ValueError)


def test_an_error_without_an_operation() -> None:
    """The text alone is shown when there is no operation, and the class's name when there is no text."""
    assert str(errors.ConfigurationError("text")) == "text"
    bare = errors.GatewayClientError.__new__(errors.GatewayClientError)
    assert str(bare) == "GatewayClientError"
    assert str(pickle.loads(pickle.dumps(bare))) == ""


@pytest.mark.parametrize(
    "make",
    [
        lambda: Timeouts(connect_seconds=0),
        lambda: Timeouts(read_seconds=float("nan")),
        lambda: Retry(attempts=0),
        lambda: Retry(attempts=True),
        lambda: Retry(base_seconds=-1),
        lambda: Limits(concurrency=1.5),  # type: ignore[arg-type]
        lambda: Limits(account_per_second="10"),  # type: ignore[arg-type]
        lambda: Limits(site_per_minute=0),
        lambda: Settings(max_response_bytes=0),
        lambda: Settings(idempotency="maybe"),  # type: ignore[arg-type]
    ],
)
def test_senseless_settings_are_refused(make: Any) -> None:
    """A setting that cannot work is refused by its name when it is made."""
    with pytest.raises(ConfigurationError, match=r"\w+\.\w+ must be"):
        make()


def test_settings_are_values() -> None:
    """Settings are frozen, hashable, and hold the documented defaults; presets differ where they should."""
    settings = Settings()
    assert settings == Settings.from_env({})
    assert hash(settings) == hash(Settings())
    assert settings.gateway_url == "https://gateway.maton.ai"
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        settings.max_response_bytes = 1  # type: ignore[misc]
    assert Retry.none().attempts == 1
    assert Retry.web().deadline_seconds < Retry().deadline_seconds < Retry.batch().deadline_seconds
    assert Settings.from_env({"AIOCHARGEBEE_GW_CONTROL_URL": "https://c"}).control_url == "https://c"


def test_a_secret_does_not_print_itself() -> None:
    """Only reveal() shows it; equal secrets are equal."""
    secret = Secret("hush")
    assert "hush" not in f"{secret} {secret!r}"
    assert secret.reveal() == "hush"
    assert secret == Secret("hush")
    assert secret != "hush"
    assert len({secret, Secret("hush")}) == 1


ROW = (
    b'{"customer":{"id":"a","object":"customer","auto_collection":"sometimes","net_term_days":0,'
    b'"allow_direct_debit":false,"created_at":1704067200,"promotional_credits":12345678901234567890,'
    b'"unbilled_charges":0,"refundable_credits":0,"excess_payments":0,"email":null,"new_key":{"x":1.50},'
    b'"cf_region":"EU","cf_n":98765432109876543210,"billing_address":{"city":"Oslo","planet":"Earth"}}}'
)
PAGE = b'{"list":[' + ROW + b"," + ROW.replace(b'"id":"a"', b'"id":"b"') + b'],"next_offset":"o"}'


def test_a_record_keeps_what_its_class_does_not_declare() -> None:
    """Unknown keys are in extra, cf_ ones in custom_fields, the whole in raw; big numbers stay exact."""
    first, second = decode_records(PAGE, customers._LIST, Customer)
    assert isinstance(first, Customer)
    assert isinstance(second, Customer)
    assert first.extra == {"new_key": {"x": 1.5}}
    assert first.custom_fields == {"cf_region": "EU", "cf_n": 98765432109876543210}
    assert second.raw == ROW.replace(b'"id":"a"', b'"id":"b"')[len(b'{"customer":') : -1]
    assert first.created_at == datetime(2024, 1, 1, tzinfo=UTC)
    assert first.promotional_credits == 12345678901234567890
    assert first.email is None
    assert first.auto_collection == "sometimes"
    assert not first.auto_collection.known
    assert first.billing_address == CustomerBillingAddress(city="Oslo")
    assert repr(first) == "<Customer id='a'>"
    assert repr(first.billing_address) == "<CustomerBillingAddress>"


def test_a_null_where_a_value_is_promised_is_absent() -> None:
    """A null for an attribute that always comes costs no other attribute; what is wrong otherwise is still an error."""
    nulls = ROW.replace(b'"net_term_days":0', b'"net_term_days":null,"contacts":[{"id":null,"email":"a@b.example"}]')
    first, second = decode_records(PAGE.replace(ROW, nulls), customers._LIST, Customer)
    assert isinstance(first, Customer)
    assert isinstance(second, Customer)
    assert first.net_term_days is None
    assert first.contacts is not None
    assert first.contacts[0].id is None
    assert first.contacts[0].email == "a@b.example"
    assert first.extra == {"new_key": {"x": 1.5}}
    assert decode_answer(nulls, CustomerListRow, "x").customer.net_term_days is None
    for wrong in (b'{"customer":null}', nulls.replace(b'"Oslo"', b"5"), b'{"customer":[null]}'):
        with pytest.raises(errors.DecodeError):
            decode_answer(wrong, CustomerListRow, "x")


def test_a_detached_record_lets_its_page_go() -> None:
    """detach() keeps a record's own bytes; pickling does the same."""
    first, _ = decode_records(PAGE, customers._LIST, Customer)
    assert isinstance(first, Customer)
    copied = pickle.loads(pickle.dumps(first))
    assert copied == first
    assert copied.raw == first.raw
    raw = first.raw
    assert first.detach() is first
    assert first._origin[0].body == first.raw == raw
    assert first.custom_fields["cf_region"] == "EU"
    assert copy.deepcopy(first).extra == first.extra


def test_a_record_made_by_hand_has_no_bytes() -> None:
    """Without an answer behind it, raw is empty and nothing is undeclared."""
    made = attrs.evolve(decode_records(PAGE, customers._LIST, Customer)[0], id="new")  # type: ignore[misc]
    assert isinstance(made, Customer)
    assert made.raw == b""
    assert made.extra == made.custom_fields == {}
    assert made.detach() is made
    assert made != decode_records(PAGE, customers._LIST, Customer)[0]


def test_rows_and_answers_carry_their_bytes_too() -> None:
    """The records of a row or of an answer find their own bytes."""
    (row, _) = decode_rows(PAGE, CustomerListRow, "x")
    assert isinstance(row, CustomerListRow)
    assert row.customer.custom_fields["cf_region"] == "EU"
    assert row.card is None
    answer = decode_answer(ROW, CustomerListRow, "x")
    assert answer.customer.raw.startswith(b'{"id":"a"')


def test_the_converter_follows_the_wire() -> None:
    """Your classes and records go through the public converter: moments are whole seconds, enums their text."""

    @attrs.frozen
    class Mine:
        who: Customer
        since: datetime
        rate: Decimal

    moment = datetime(2024, 1, 1, tzinfo=UTC)
    who = {"id": "a", "created_at": 1704067200, "auto_collection": "on", "billing_address": {"city": "Oslo"}}
    plain = {"who": who, "since": 1704067200, "rate": "1.50"}
    made = converter.structure(plain, Mine)
    assert made.since == made.who.created_at == moment
    assert made.rate == Decimal("1.50")
    back = converter.unstructure(made)
    assert back["since"] == back["who"]["created_at"] == 1704067200
    assert back["who"]["auto_collection"] == "on"
    assert back["who"]["billing_address"] == {"city": "Oslo"}
    assert converter.structure(made.who, Customer) is made.who
    assert converter.structure(moment, datetime) is moment


def test_a_trail_ends_circles() -> None:
    """A,A and A,B,A,B are refused, and so are an empty offset and a hundred empty pages in a row."""
    for circle in (["a", "a"], ["a", "b", "a"], ["a", "b", "c", "b"]):
        trail = Trail("x", None)
        with pytest.raises(errors.RepeatedOffset):
            for offset in circle:
                trail.advance(offset, empty=False)
    started = Trail("x", "a")
    with pytest.raises(errors.RepeatedOffset):
        started.advance("a", empty=False)
    trail = Trail("x", None)
    with pytest.raises(errors.PaginationError):
        trail.advance("", empty=False)
    with pytest.raises(errors.PaginationError):
        for number in range(200):
            trail.advance(str(number), empty=True)
    trail.advance(None, empty=False)


def test_a_naive_guard_lets_a_circle_through() -> None:
    """The baseline: comparing an offset with the one before it sees A,A, but never A,B,A,B."""
    offsets = ["a", "b", "a", "b"]
    assert all(offset != before for before, offset in pairwise(offsets))
