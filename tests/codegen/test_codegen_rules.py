"""The generator's rules, on catalogues of a few lines."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from aiochargebee_gw._codegen.build import build
from aiochargebee_gw._codegen.catalogue import load
from aiochargebee_gw._codegen.model import Api, Operation
from aiochargebee_gw._codegen.names import CatalogueError, member_names, plural, prefixed, singular
from aiochargebee_gw._codegen.operations import holds_filters, keyword_filters, spec
from aiochargebee_gw._codegen.render import render

SHARED: dict[str, Any] = {"enums": {"Colour": ["red", "green"]}}
ROW: dict[str, Any] = {
    "http": "GET", "path": "/boxes/{id}", "list": False, "params": {}, "idempotent": False, "sub_domain": None,
    "json_body": False, "json_keys": {}, "response": {"box": {"type": "object", "ref": "box.Box", "required": True}},
}  # fmt: skip
LIST: dict[str, Any] = {
    **{key: value for key, value in ROW.items() if key != "response"},
    "path": "/boxes", "list": True, "rows": {"box": {"type": "object", "ref": "box.Box", "required": True}},
}  # fmt: skip


def box(**changes: Any) -> dict[str, Any]:
    """A resource with one attribute; *changes* replace what it has."""
    plain = {"class": "Box", "fields": {"id": {"type": "str", "required": True}}, "sub_resources": {}, "enums": {},
             "operations": {}}  # fmt: skip
    return plain | changes


class Workshop:
    """A folder with a catalogue in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.overrides = 'carried = "all"\n'

    def api(self, **documents: dict[str, Any]) -> Api:
        """The model of *documents*."""
        for name, document in {"_shared": SHARED, **documents}.items():
            (self.folder / f"{name}.json").write_text(json.dumps(document))
        (self.folder / "overrides.toml").write_text(self.overrides)
        return build(load(self.folder, self.folder / "overrides.toml"))

    def files(self, **documents: dict[str, Any]) -> dict[str, str]:
        """The output for *documents*; each file of it is Python."""
        files = render(self.api(**documents))
        for text in files.values():
            ast.parse(text)
        return files

    def operation(self, row: dict[str, Any], **changes: Any) -> Operation:
        """The model of one operation of a box."""
        (made,) = self.api(box=box(operations={"go": row | changes})).resources["box"].operations
        return made


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    """An empty catalogue."""
    return Workshop(tmp_path)


def test_record_fields_follow_the_catalogue(workshop: Workshop) -> None:
    """Promised attributes have no None in their type, optional ones are None; the catalogue's order; plain floats."""
    fields = {
        "note": {"type": "str"}, "id": {"type": "str", "required": True}, "rate": {"type": "float"},
        "at": {"type": "timestamp", "required": True}, "free": {"type": "json"},
        "ms": {"type": "int", "unit": "milliseconds"}, "colour": {"type": "str", "enum": "Colour"},
        "sides": {"type": "list", "items": {"type": "object", "ref": "box.Side"}},
    }  # fmt: skip
    document = box(fields=fields, sub_resources={"Side": {"length": {"type": "int"}}})
    text = workshop.files(box=document)["records/box.py"]
    body = text.split("class Box(Record):")[1]
    assert [line.strip() for line in body.split("\n")[3:11]] == [
        "note: str | None = None",
        "id: str = PROMISED",
        "rate: float | None = None",
        "at: datetime = PROMISED",
        "free: Any = None",
        "ms: int | None = None  # milliseconds",
        "colour: Colour | None = None",
        "sides: list[BoxSide] | None = None",
    ]
    assert "class BoxSide(Part):" in text


def test_names_are_not_doubled() -> None:
    """A part is called after its resource, once."""
    assert prefixed("Subscription", "SubscriptionItem") == "SubscriptionItem"
    assert prefixed("Subscription", "Addon") == "SubscriptionAddon"


def test_items_of_lists_are_singular() -> None:
    """The objects of a list are called by the word for one of them."""
    names = ["tiers", "line_item_addresses", "taxes", "currencies", "address", "status"]
    assert [singular(name) for name in names] == ["tier", "line_item_address", "tax", "currency", "address", "status"]


def test_plurals_stand_in_a_path() -> None:
    """A resource hangs on the gateway under its own plural in any URL, else under its own name."""
    assert plural("email_log", ["/customers/{id}/email_logs"]) == "email_logs"
    assert plural("currency", ["/currencies/list"]) == "currencies"
    assert plural("address", ["/addresses"]) == "addresses"
    assert plural("usage_summary", ["/subscriptions/{id}/usage_summary"]) == "usage_summary"


def test_odd_values_make_enum_members() -> None:
    """Digits first, keywords, signs, empty texts and namesakes all get a name that an enum can hold."""
    names = member_names(["3ds", "None", "a-b", "a b", "", "_x_", "zip code", "true"])
    assert names == {
        "3ds": "_3DS", "None": "NONE", "a-b": "A_B", "a b": "A_B_2", "": "EMPTY", "_x_": "V_X_",
        "zip code": "ZIP_CODE", "true": "TRUE",
    }  # fmt: skip
    assert all(name.isidentifier() for name in names.values())


def test_inline_values_make_an_enum(workshop: Workshop) -> None:
    """An attribute with values and no enum's name gets a class of its own, called after it."""
    text = workshop.files(box=box(fields={"kind": {"type": "str", "values": ["a"]}}))["records/box.py"]
    assert "class BoxKind(OpenEnum):" in text
    assert "kind: BoxKind | None = None" in text


def test_an_enum_that_others_use_is_global(workshop: Workshop) -> None:
    """An enum of one resource in records of another lives in `records/enums.py`: records need not import each other."""
    lid = {"class": "Lid", "fields": {"fit": {"type": "str", "enum": "Box.Fit"}}, "sub_resources": {}, "enums": {},
           "operations": {}}  # fmt: skip
    files = workshop.files(box=box(enums={"Fit": ["tight"]}), lid=lid)
    assert "class BoxFit(OpenEnum):" in files["records/enums.py"]
    assert "from .enums import BoxFit" in files["records/lid.py"]
    assert "_LAZY" not in files["records/lid.py"]


def test_two_enums_of_one_name_are_refused(workshop: Workshop) -> None:
    """The same values are one class; other values stop the generator until an override renames one."""
    both = {"box": box(enums={"LidFit": ["tight"]})}
    lid = {"class": "BoxLid", "fields": {}, "sub_resources": {}, "enums": {"Fit": ["tight"]}, "operations": {}}
    assert [made.home for made in workshop.api(**both, box_lid=lid).resources["box_lid"].enums] == ["box_lid"]
    lid["enums"] = {"Fit": ["loose"]}
    with pytest.raises(CatalogueError, match="two different enums are called BoxLidFit"):
        workshop.api(**both, box_lid=lid)
    workshop.overrides += '[[patch]]\nat = "box/enum_names"\nvalue = { LidFit = "BoxFit" }\nreason = "taken"\n'
    assert [made.name for made in workshop.api(**both, box_lid=lid).resources["box"].enums] == ["BoxFit"]


def test_two_classes_of_one_name_are_refused(workshop: Workshop) -> None:
    """A part of one resource and another resource cannot share a name."""
    lid = {"class": "BoxLid", "fields": {}, "sub_resources": {}, "enums": {}, "operations": {}}
    with pytest.raises(CatalogueError, match="BoxLid"):
        workshop.api(box=box(sub_resources={"Lid": {}}), box_lid=lid)


@pytest.mark.parametrize("name", ["raw", "extra", "custom_fields", "class", "_origin"])
def test_attributes_that_records_have_already_are_refused(workshop: Workshop, name: str) -> None:
    """A field must not hide what every record has."""
    with pytest.raises(CatalogueError, match=name):
        workshop.api(box=box(fields={name: {"type": "str"}}))


def test_a_resource_cannot_take_a_name_of_the_gateway(workshop: Workshop) -> None:
    """`gateway.connections` is the control plane."""
    row = ROW | {"path": "/connections/{id}", "response": {}}
    with pytest.raises(CatalogueError, match="the gateway"):
        workshop.api(connection=box(operations={"retrieve": row}) | {"class": "Connection"})


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ('at = "box/fields/id/type"\nvalue = "int"\n', "without a reason"),
        ('at = "box/fields/colour/type"\nvalue = "int"\nreason = "x"\n', "what is not there"),
        ('at = "box/fields/id/type"\nvalue = "str"\nreason = "x"\n', "changes nothing"),
    ],
)
def test_overrides_must_hit(workshop: Workshop, patch: str, message: str) -> None:
    """An override has a reason, a target that exists, and an effect."""
    workshop.overrides += f"[[patch]]\n{patch}"
    with pytest.raises(CatalogueError, match=message):
        workshop.api(box=box())


def test_overrides_count_for_the_hash(workshop: Workshop) -> None:
    """A changed override changes the first line of every file."""
    before = workshop.api(box=box()).digest
    workshop.overrides += "# a comment\n"
    assert workshop.api(box=box()).digest != before


def test_json_keys_hold_at_their_level(workshop: Workshop) -> None:
    """Level 0 is the parameter itself, level 1 what stands in an object or in an item of a list."""
    texts = {"type": "list", "items": {"type": "str"}}
    params = {
        "meta": {"type": "list", "items": {"type": "json"}},
        "tags": {"type": "list", "items": {"type": "json"}},
        "address": {"type": "object", "fields": {"line": {"type": "str"}}},
        "card": {"type": "object", "fields": {"address": {"type": "json"}, "ids": texts}},
        "rows": {"type": "list", "items": {"type": "object", "fields": {"ids": texts}}},
    }  # fmt: skip
    made = workshop.operation(ROW, params=params, http="POST", json_keys={"meta": 0, "address": 1, "ids": 1})
    assert {each.name: spec(each.type, each.name, made.json_keys) for each in made.params} == {
        "meta": "json",
        "tags": ["json"],
        "address": {"line": "str"},
        "card": {"address": "json", "ids": "json"},
        "rows": [{"ids": "json"}],
    }


def test_filters_in_a_body_are_keywords(workshop: Workshop) -> None:
    """A filter of a POST, or of a GET that lists nothing, is an object of its operators."""
    inner = {
        "at": {"type": "filter", "filter": "timestamp"},
        "n": {"type": "filter", "filter": "number", "operators": ["between"]},
        "s": {"type": "filter", "filter": "string", "operators": ["is", "in", "is_present"]},
        "e": {"type": "filter", "filter": "enum", "operators": ["is"]}, "b": {"type": "filter", "filter": "boolean"},
    }  # fmt: skip
    made = workshop.operation(ROW, params={"box": {"type": "object", "fields": inner}}, http="POST")
    found = {each.wire: (each.kind, each.operators) for each in keyword_filters(made.params)}
    assert found == {
        "box[at]": ("timestamp", ("after", "before", "on", "between")),
        "box[n]": ("number", ("between",)),
        "box[s]": ("string", ("is", "in", "is_present")),
        "box[e]": ("enum", ("is",)),
        "box[b]": ("boolean", ("is",)),
    }
    assert holds_filters(made.params[0].type)


def test_filters_of_a_list_leave_its_parameters(workshop: Workshop) -> None:
    """limit, offset, sort_by and filters are no keywords; plain parameters and include_deleted are."""
    params = {
        "limit": {"type": "int"}, "offset": {"type": "str"}, "sort_by": {"type": "filter", "filter": "sort"},
        "id": {"type": "filter", "filter": "string"}, "include_deleted": {"type": "bool"},
        "since": {"type": "timestamp"},
        "lid": {"type": "object", "fields": {"id": {"type": "filter", "filter": "string", "operators": ["is"]}}},
    }  # fmt: skip
    made = workshop.operation(LIST, params=params, include_deleted=True)
    assert [each.name for each in made.params] == ["include_deleted", "since"]
    assert [(each.wire, each.operators) for each in made.filters] == [
        ("id", ("is", "is_not", "starts_with", "in", "not_in")),
        ("lid[id]", ("is",)),
    ]


@pytest.mark.parametrize(
    ("sorts", "chosen"),
    [
        (["updated_at", "created_at"], "created_at"),
        (["updated_at", "date"], "date"),
        (["name", "updated_at"], "updated_at"),
        (["occurred_at"], "occurred_at"),
        (["name"], None),
    ],
)
def test_default_sort(workshop: Workshop, sorts: list[str], chosen: str | None) -> None:
    """The time of creation where there is one, else the next best; no order at all where none is a time."""
    made = workshop.operation(LIST, sort_by={"asc": sorts, "desc": sorts})
    assert made.default_sort == chosen


def test_product_catalogues(workshop: Workshop) -> None:
    """A name that speaks of items is PC 2.0, its twin without them PC 1.0, the others belong to both."""
    paths = {
        "new": "/boxes/new",
        "new_for_items": "/boxes/new_for_items",
        "add": "/boxes/add_charge_item",
        "see": "/boxes",
    }
    rows = {name: ROW | {"path": path} for name, path in paths.items()}
    made = workshop.api(box=box(operations=rows)).resources["box"].operations
    assert {each.name: each.catalog for each in made} == {
        "new": "pc1", "new_for_items": "pc2", "add": "pc2", "see": None,
    }  # fmt: skip


def test_equal_answers_share_a_class(workshop: Workshop) -> None:
    """One class a shape; the other operations' names mean it too."""
    rows = {"retrieve": ROW, "delete": ROW | {"http": "POST", "path": "/boxes/{id}/delete"}, "list": LIST}
    text = workshop.files(box=box(operations=rows))["records/box.py"]
    assert text.count("(Envelope):") == 2
    assert "BoxDeleteAnswer = BoxRetrieveAnswer" in text
    assert "class BoxListRow(Envelope):" in text


def test_required_parameters_and_filters_stand_in_the_signature(workshop: Workshop) -> None:
    """A required parameter is `Required`; a list that needs a filter takes one at least."""
    params = {
        "lid_id": {"type": "filter", "filter": "string", "operators": ["is"], "required": True},
        "size": {"type": "int", "required": True, "min": 1, "max": 9},
        "note": {"type": "str", "max_len": 50},
    }
    files = workshop.files(box=box(operations={"list": LIST | {"params": params}}))
    assert (
        "    size: Required[int]  # 1 to 9\n    note: str | None  # at most 50 characters\n" in files["params/box.py"]
    )
    resource = " ".join(files["resources/boxes.py"].split())
    assert 'required_filters=("lid_id",)' in resource
    assert 'required=("size",)' in resource
    assert "self, required: Filter, /, *filters: Filter, into: None = None" in resource
    assert "self._list(_LIST, None, (required, *filters), into, params)" in resource


def test_posts_that_list_answer_a_page(workshop: Workshop) -> None:
    """A list that is answered to a POST comes whole: no filters, no cursor."""
    made = workshop.files(box=box(operations={"add": LIST | {"http": "POST", "idempotent": True}}))[
        "resources/boxes.py"
    ]
    assert "paged=False" in made
    assert "-> Page[_r.Box, _r.BoxAddRow]:" in made
    assert "return await self._posted(_ADD, None, params)" in made


def test_options_cannot_be_parameters(workshop: Workshop) -> None:
    """A parameter called like an option of every call would never be sent."""
    row = ROW | {"params": {"timeout": {"type": "int"}}}
    with pytest.raises(CatalogueError, match="timeout"):
        workshop.files(box=box(operations={"retrieve": row}))


def test_a_field_called_list_does_not_hide_the_type(workshop: Workshop) -> None:
    """A class with an attribute `list` names the builtin by its module."""
    fields = {"list": {"type": "list", "items": {"type": "str"}}}
    text = workshop.files(box=box(fields=fields))["records/box.py"]
    assert "list: builtins.list[str] | None = None" in text
    assert "import builtins" in text


def test_records_are_written_for_what_is_referred_to(workshop: Workshop) -> None:
    """A resource that is not carried, but held by one that is, is written as records alone."""
    workshop.overrides = 'carried = ["box"]\n'
    lid = {"class": "Lid", "fields": {}, "sub_resources": {}, "enums": {}, "operations": {"retrieve": ROW}}
    held = box(fields={"lid": {"type": "object", "ref": "lid.Lid"}})
    files = workshop.files(box=held, lid=lid, far=box() | {"class": "Far"})
    assert {path for path in files if "lid" in path or "far" in path} == {"records/lid.py"}
    assert '_LAZY = {"Lid": "lid"}' in files["records/box.py"]


STRING = {"type": "filter", "filter": "string"}
NUMBER = {"type": "filter", "filter": "number"}
INT = {"type": "int"}
LISTING = LIST | {"params": {"size": STRING}}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (box(fields={"a": {"type": "str", "enum": "Shade"}}), "no enum is called Shade"),
        (box(fields={"a": {"type": "object", "ref": "box.Lid"}}), "no record is called box.Lid"),
        (box(fields={"a": {"type": "object", "ref": "lid.Lid"}}), "no record is called lid.Lid"),
        (box(fields={"a": {"type": "bytes"}}), "no type is called bytes"),
        (box(operations={"list": LIST | {"params": {"a": {"type": "filter", "filter": "set"}}}}), "of the kind set"),
        (box(operations={"list": LIST | {"params": {"a": STRING | {"operators": ["lt"]}}}}), "no operators lt"),
        (
            box(operations={"list": LIST | {"params": {"a": {"type": "object", "fields": {"b": STRING, "c": INT}}}}}),
            "filters and other parameters",
        ),
        (box(operations={"list": LIST | {"rows": {}}}), "no record that every row holds"),
        (box(operations={"list": LIST | {"default_sort": "id"}}), "not sorted by id"),
        (box(operations={"list": LIST | {"include_deleted": True}}), "include_deleted"),
        (box(operations={"list": LIST | {"sort_by": {"asc": ["size"]}}}), "sorted by size"),
        (box(operations={"one": LISTING, "two": LISTING | {"params": {"size": NUMBER}}}), "as string and as number"),
        (
            box(operations={"list": LIST | {"params": {"custom": STRING}, "custom_field_filters": True}}),
            "the way to custom fields",
        ),
    ],
)  # fmt: skip
def test_contradictions_stop_the_generator(workshop: Workshop, document: dict[str, Any], message: str) -> None:
    """What the catalogue cannot mean is an error that says where, not output that is wrong."""
    with pytest.raises(CatalogueError, match=message):
        workshop.files(box=document)


def test_carried_resources_must_exist(workshop: Workshop) -> None:
    """A resource that the catalogue lacks cannot be carried."""
    workshop.overrides = 'carried = ["crate"]\n'
    with pytest.raises(CatalogueError, match="crate"):
        workshop.api(box=box())
