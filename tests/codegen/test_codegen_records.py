"""Records decode what a server may legally send, and behave as values."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import attrs
import msgspec
import pytest

from aiochargebee_gw import records
from aiochargebee_gw._record import Envelope, OpenEnum, Part, Record, decoder, filled
from aiochargebee_gw._wire.document import Source

from .catalogue import camel, carried, documents, operations
from .samples import MOMENT, sample

CLASSES = {document["class"]: name for name, document in documents().items() if document["class"] in records.__all__}


def decoded(cls: str, document: Any) -> Any:
    """The record that a server's *document* becomes."""
    return decoder(getattr(records, cls)).decode(json.dumps(document).encode())


def parts() -> list[tuple[str, str, str]]:
    """Resource, sub-resource and class of everything inside a record."""
    return [
        (name, part, part if part.startswith(cls) else cls + part)
        for cls, name in CLASSES.items()
        for part in documents()[name]["sub_resources"]
    ]


@pytest.mark.parametrize("cls", CLASSES)
def test_a_record_holds_its_attributes(cls: str) -> None:
    """Every attribute of the catalogue is there with its kind of value, with all that is optional and without it."""
    fields = documents()[CLASSES[cls]]["fields"]
    full = decoded(cls, sample(CLASSES[cls]))
    assert [field.name for field in attrs.fields(type(full))] == list(fields)
    for name, told in fields.items():
        value = getattr(full, name)
        if told["type"] == "timestamp":
            assert value == datetime.fromtimestamp(MOMENT, UTC)
            assert value.tzinfo is UTC
        elif told.get("enum") and told["type"] == "str":
            assert isinstance(value, OpenEnum)
            assert value.known
        elif told["type"] == "list":
            assert len(value) == 1
        else:
            assert value is not None
    bare = decoded(cls, sample(CLASSES[cls], optional=False))
    assert all(getattr(bare, name) is None for name, told in fields.items() if not told.get("required"))


@pytest.mark.parametrize("cls", CLASSES)
def test_legal_surprises_do_no_harm(cls: str) -> None:
    """Unknown keys, unknown enum values and nulls for what is optional decode; what is unknown says so."""
    name = CLASSES[cls]
    fields = documents()[name]["fields"]
    given = sample(name) | {"brand_new": {"a": 1}, "cf_x": 1}
    nulls = {key: None for key, told in fields.items() if not told.get("required")}
    enums = {key: "never_seen" for key, told in fields.items() if told.get("enum") and told["type"] == "str"}
    assert all(getattr(decoded(cls, given | nulls), key) is None for key in nulls)
    found = decoded(cls, given | enums)
    for key in enums:
        value: OpenEnum = getattr(found, key)
        assert not value.known
        assert str(value) == "never_seen"


@pytest.mark.parametrize("cls", CLASSES)
def test_numbers_may_be_large_and_timestamps_texts(cls: str) -> None:
    """Integers are of any size, or written as floats; a promised attribute that is missing costs no other one."""
    name = CLASSES[cls]
    fields = documents()[name]["fields"]
    large = {key: 1_234_567_890_123_456_789 for key, told in fields.items() if told["type"] == "int"}
    found = decoded(cls, sample(name) | large)
    assert all(getattr(found, key) == value for key, value in large.items())
    floats = dict.fromkeys(large, 7.0)
    found = decoded(cls, sample(name) | floats)
    assert all(getattr(found, key) == 7 and isinstance(getattr(found, key), int) for key in floats)
    for key in (key for key, told in fields.items() if told.get("required")):
        document = sample(name)
        del document[key]
        assert getattr(decoded(cls, document), key) is None


@pytest.mark.parametrize(("resource", "part", "cls"), parts())
def test_parts_decode(resource: str, part: str, cls: str) -> None:
    """The objects inside records decode whole, bare and with keys that nobody knows."""
    fields = documents()[resource]["sub_resources"][part]
    full = decoded(cls, sample(resource, part) | {"brand_new": []})
    assert [field.name for field in attrs.fields(type(full))] == list(fields)
    bare = decoded(cls, sample(resource, part, optional=False))
    assert all(getattr(bare, name) is None for name, told in fields.items() if not told.get("required"))
    assert issubclass(type(full), Part)
    assert not issubclass(type(full), Record)


@pytest.mark.parametrize("cls", CLASSES)
def test_records_are_values(cls: str) -> None:
    """Equal by value, hashable, copied, pickled, evolved and turned into dicts, with their parts."""
    one, other = decoded(cls, sample(CLASSES[cls])), decoded(cls, sample(CLASSES[cls]))
    assert one == other
    assert hash(one) == hash(other)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(one, protocol)) == one
    assert copy.deepcopy(one) == one
    assert copy.copy(one) == one
    fields = attrs.fields(type(one))
    assert set(attrs.asdict(one)) == {field.name for field in fields}
    assert attrs.evolve(one) == one
    optional = [field.name for field in fields if field.default is None]
    for name in optional[:1]:
        changed = attrs.evolve(one, **{name: None})
        assert changed != one
        assert getattr(one, name) is not None
    assert one != object()
    assert repr(one).startswith(f"<{cls}")


def test_a_pickled_record_keeps_its_bytes() -> None:
    """What the class does not declare is still there after a pickle and a copy."""
    customer = decoded("Customer", sample("customer"))
    body = json.dumps(sample("customer") | {"cf_region": "EU", "later": [1]}).encode()
    customer._attach(Source(body), ())
    for same in (pickle.loads(pickle.dumps(customer)), copy.deepcopy(customer)):
        assert same.custom_fields == {"cf_region": "EU"}
        assert same.extra == {"later": [1]}


def test_records_have_no_room_for_a_misspelt_attribute() -> None:
    """All classes are slotted."""
    for cls in (getattr(records, name) for name in records.__all__):
        if issubclass(cls, Part):
            assert not hasattr(cls, "__dict__") or "__dict__" not in {key for base in cls.__mro__ for key in vars(base)}


@pytest.mark.parametrize(("resource", "name", "row"), list(operations()))
def test_answers_decode(resource: str, name: str, row: dict[str, Any]) -> None:
    """Every operation's answer or row decodes into its class, with all of its keys and with those that always come."""
    kind = "Row" if row["list"] else "Answer"
    cls = getattr(records, documents()[resource]["class"] + camel(name) + kind)
    keys = row["rows"] if row["list"] else row["response"]
    assert issubclass(cls, Envelope)
    assert [field.name for field in attrs.fields(cls)] == list(keys)
    full = {key: _answer(told) for key, told in keys.items()}
    found = decoder(cls).decode(json.dumps(full).encode())
    assert all(getattr(found, key) is not None for key in keys)
    bare = decoder(cls).decode(json.dumps({key: full[key] for key in keys if keys[key].get("required")}).encode())
    assert all(getattr(bare, key) is None for key in keys if not keys[key].get("required"))
    assert pickle.loads(pickle.dumps(found)) == found


def _answer(told: dict[str, Any]) -> Any:
    if told["type"] == "list":
        return [_answer(told["items"])]
    if told["type"] == "object":
        resource, _, cls = told["ref"].partition(".")
        return sample(resource, cls)
    return {"int": MOMENT, "bool": True, "str": "x", "json": [{}]}[told["type"]]


def test_every_class_is_in_the_index_once() -> None:
    """The lazy map has a class for each carried resource, its parts, enums and answers, and no name twice."""
    assert len(set(records.__all__)) == len(records.__all__)
    for resource in carried():
        assert documents()[resource]["class"] in records.__all__
    for name in records.__all__:
        assert isinstance(getattr(records, name), type)


def test_projections_may_hold_records() -> None:
    """A user's class with records in it, or derived from one, decodes although record modules import lazily."""

    @attrs.frozen
    class Small:
        id: str
        cf_region: str | None = None
        card: records.Card | None = None

    @attrs.define(kw_only=True)
    class Loose:
        id: str
        tags: list[str] = attrs.field(factory=list)
        size: int = 3

    card = sample("card")
    small = decoder(Small).decode(json.dumps({"id": "c", "cf_region": "EU", "card": card}).encode())
    assert type(small) is Small
    assert small.cf_region == "EU"
    assert type(small.card) is records.Card
    assert decoder(Small).decode(b'{"id":"c"}') == Small("c")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        small.id = "d"  # type: ignore[misc]
    one, other = decoder(Loose).decode(b'{"id":"c"}'), decoder(Loose).decode(b'{"id":"d"}')
    assert (type(one), one.size, one.tags) == (Loose, 3, [])
    assert one.tags is not other.tags


@attrs.frozen(kw_only=True)
class Leaf:
    """What stands in a `Tree`."""

    size: int = 1
    name: str


@attrs.frozen(kw_only=True)
class Tree:
    """A class of a user that holds another one, and itself, in every way."""

    id: str
    leaf: Leaf | None = None
    leaves: dict[str, Leaf] | None = None
    pairs: tuple[Leaf, ...] = ()
    kind: Literal["oak", "fir"] = "fir"
    weighed: Annotated[int, msgspec.Meta(ge=0)] = 0
    child: Tree | None = None


def test_projections_may_hold_each_other() -> None:
    """Whatever a user's frozen classes hold is decoded into those very classes, defaults where nothing was sent."""
    document = {
        "id": "a", "leaf": {"name": "l"}, "leaves": {"x": {"name": "m", "size": 2}}, "pairs": [{"name": "n"}],
        "kind": "oak", "child": {"id": "b"},
    }  # fmt: skip
    found = decoder(Tree).decode(json.dumps(document).encode())
    assert found == Tree(
        id="a",
        leaf=Leaf(name="l"),
        leaves={"x": Leaf(name="m", size=2)},
        pairs=(Leaf(name="n"),),
        kind="oak",
        child=Tree(id="b"),
    )
    assert {type(found), type(found.child)} == {Tree}
    with pytest.raises(msgspec.ValidationError, match=r"\$\.leaf"):
        decoder(Tree).decode(b'{"id":"a","leaf":{}}')


def test_classes_that_watch_their_subclasses_are_left_alone() -> None:
    """A class with `__init_subclass__`, or one that presets for itself, is decoded as it is."""
    seen: list[type] = []

    @attrs.define
    class Watched:
        id: str | None = None

        def __init_subclass__(cls) -> None:
            seen.append(cls)

    assert decoder(Watched).decode(b"{}") == Watched()
    assert filled(Watched) is Watched
    assert filled(dict) is dict
    assert [cls for cls in seen if cls is not Watched] == []
