"""The readers of what clients send: bracket keys, the three spellings of a list, numbers."""

from __future__ import annotations

import json
import string
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiochargebee_gw.sandbox import _values
from aiochargebee_gw.sandbox._coerce import read_params
from aiochargebee_gw.sandbox._form import body_pairs, first_values, pairs, split_key
from aiochargebee_gw.sandbox._params import schema
from aiochargebee_gw.sandbox._problems import Problem

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=0, max_size=20)
PLAIN = st.text(string.ascii_letters + string.digits + "-_.@ é", min_size=1, max_size=12).map(str.strip).filter(bool)


@given(st.lists(TEXT, min_size=1, max_size=8))
def test_json_lists(values: list[str]) -> None:
    """JSON, with or without escapes and blanks, comes back as it was."""
    for spelled in (json.dumps(values), json.dumps(values, ensure_ascii=False, separators=(",", ":"))):
        assert _values.items(spelled) == values


@given(st.lists(TEXT, min_size=1, max_size=8))
def test_python_lists(values: list[str]) -> None:
    """``str(list)``, as the Python SDK sends it, comes back as it was, apostrophes and escapes included."""
    assert _values.items(str(values)) == values


@given(st.lists(PLAIN, min_size=1, max_size=8))
def test_unquoted_lists(values: list[str]) -> None:
    """Unquoted members, as the Java SDK sends them, are split at commas and stripped."""
    assert _values.items(f"[{','.join(values)}]") == values
    assert _values.items(f"[{', '.join(values)}]") == values


@given(st.lists(st.integers(-(10**17), 10**17), min_size=1, max_size=8))
def test_number_lists(values: list[int]) -> None:
    """Numbers in a list stay the text they were."""
    assert [int(item) for item in _values.items(str(values))] == values
    assert [int(item) for item in _values.items(str([str(value) for value in values]))] == values


@given(st.text(max_size=40))
def test_any_text_is_a_list_or_a_value_error(text: str) -> None:
    """No text makes the reader fail in another way."""
    try:
        found = _values.items(text)
    except ValueError:
        return
    assert found
    assert all(isinstance(item, str) for item in found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[007, 1.50]", ["007", "1.50"]),
        ("[true,false]", ["true", "false"]),
        ('["a",1]', ["a", "1"]),
        (r"['\x41\u00e9\U0001f600\n\'']", ["Aé😀\n'"]),
        (r"['\UFFFFFFFF']", [r"\UFFFFFFFF"]),
        ("['a', b]", ["'a'", "b"]),
        (" [a] ", ["a"]),
    ],
)
def test_odd_lists(text: str, expected: list[str]) -> None:
    """Numbers keep their zeros, escapes of ``repr`` are read, a mix of spellings is split plainly."""
    assert _values.items(text) == expected


@given(st.integers(-(10**18) + 1, 10**18 - 1))
def test_integers(number: int) -> None:
    """Whole numbers that a database can hold are read; timestamps have at most ten digits and no sign."""
    assert _values.integer(str(number)) == number
    if 0 <= number < 10**10:
        assert _values.timestamp(str(number)) == number
    else:
        with pytest.raises(ValueError, match="timestamp"):
            _values.timestamp(str(number))


@pytest.mark.parametrize("text", ["", "1.0", "٣", "1 ", "+1", "9" * 19, "0x1"])
def test_not_integers(text: str) -> None:
    """What only looks like a number is refused."""
    with pytest.raises(ValueError, match="whole number"):
        _values.integer(text)


@given(st.lists(st.tuples(TEXT.filter(bool), TEXT), max_size=6))
def test_forms(sent: list[tuple[str, str]]) -> None:
    """What ``urlencode`` writes is read back, blanks and non-ASCII text included."""
    assert body_pairs(urlencode(sent).encode()) == sent


def test_form_details() -> None:
    """Empty pieces are skipped, a key without ``=`` has a blank value, broken UTF-8 does not raise."""
    assert pairs("a=1&&b&c=x%20y+z") == [("a", "1"), ("b", ""), ("c", "x y z")]
    assert body_pairs(b"a=%ff")[0][0] == "a"
    assert first_values("a=1&a=2") == {"a": "1"}


@pytest.mark.parametrize(
    ("key", "parts"),
    [
        ("a", ("a",)),
        ("a[b]", ("a", "b")),
        ("a[b][0]", ("a", "b", "0")),
        ("a[", ("a[",)),
        ("a]b", ("a]b",)),
        ("[a]", ("[a]",)),
        ("a[b]c", ("a[b]c",)),
        ("a[]", ("a", "")),
    ],
)
def test_bracket_keys(key: str, parts: tuple[str, ...]) -> None:
    """Balanced brackets are split, anything else stays whole."""
    assert split_key(key) == parts


SCHEMA = schema("name! size:i flag:b at:t ratio:f data:j rows[]{id! n:i} tags[] extra[]:j box{a b:i} kind=x|y id email")


def read(text: str, *, strict: bool = False) -> dict[str, object]:
    """Read a form by the test schema."""
    return read_params(SCHEMA, pairs(text), strict=strict, custom="customer")


def test_typed_parameters() -> None:
    """Each type is read, arrays are field first and may have gaps, blanks become None."""
    found = read(
        'name=n&size=-3&flag=TRUE&at=5&ratio=1.5&data={"a":1}&data2=x&rows[id][0]=p&rows[id][5]=q&rows[n][5]=2'
        "&tags[1]=b&tags[0]=a&box[a]=&box[b]=4&kind=y&extra=[1]&cf_score=8&cf_region=&cf_own=t"
    )
    assert found == {
        "name": "n",
        "size": -3,
        "flag": True,
        "at": 5,
        "ratio": 1.5,
        "data": {"a": 1},
        "rows": [{"id": "p"}, {"id": "q", "n": 2}],
        "tags": ["a", "b"],
        "box": {"a": None, "b": 4},
        "kind": "y",
        "extra": [1],
        "cf_score": 8,
        "cf_region": None,
        "cf_own": "t",
    }


def test_json_in_brackets() -> None:
    """``metadata[json]={...}`` is another way to send a JSON parameter."""
    assert read('name=n&data[json]={"a":1}')["data"] == {"a": 1}


@pytest.mark.parametrize(
    ("text", "param"),
    [
        ("", "name"),
        ("name=", "name"),
        ("name=n&size=x", "size"),
        ("name=n&flag=1", "flag"),
        ("name=n&at=-1", "at"),
        ("name=n&ratio=nan", "ratio"),
        ("name=n&data=[]", "data"),
        ('name=n&data={"a":"\\ud800"}', "data"),
        ("name=n&data=" + "[" * 5000, "data"),
        ("name=n&extra={}", "extra"),
        ("name=n&kind=z", "kind"),
        ("name=n&rows[n][1]=2", "rows[id][0]"),
        ("name=n&rows[id][0]=a&rows[n][0]=x", "rows[n][0]"),
        ("name=n&id=" + "x" * 51, "id"),
        ("name=n&email=nobody", "email"),
        ("name=n&email=a b@example.com", "email"),
        ("name=n&cf_score=x", "cf_score"),
    ],
)
def test_bad_parameters(text: str, param: str) -> None:
    """The error names the parameter in the request's spelling."""
    with pytest.raises(Problem) as caught:
        read(text)
    assert (caught.value.status, caught.value.param) == (400, param)


@pytest.mark.parametrize(
    "param",
    [
        "other",
        "name[x]",
        "rows[id]",
        "rows[id][x]",
        "rows[zz][0]",
        "box",
        "box[zz]",
        "tags",
        "tags[x]",
        "rows[id][1000]",
    ],
)
def test_unknown_parameters(param: str) -> None:
    """Unknown or misplaced parameters are ignored, in strict mode refused."""
    assert read(f"name=n&{param}=1") == {"name": "n"}
    with pytest.raises(Problem) as caught:
        read(f"name=n&{param}=1", strict=True)
    assert caught.value.param == param


@pytest.mark.parametrize("broken", ["name{", "}", "name?", "a } b"])
def test_schema_notation(broken: str) -> None:
    """A broken notation is found when the module is imported, not when a request comes."""
    with pytest.raises(ValueError, match="unexpected"):
        schema(broken)
