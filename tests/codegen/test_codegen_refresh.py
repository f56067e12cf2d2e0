"""What a refresh makes of the catalogue, on made-up SDKs of a few lines."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from aiochargebee_gw._codegen.merge import Merged
from aiochargebee_gw._codegen.sdk import SdkError, extract

from .made_sdk import CATALOGUE, MadeSdk


@pytest.fixture
def made(tmp_path: Path) -> MadeSdk:
    return MadeSdk(tmp_path / "sdk")


def lines(merged: Merged) -> list[str]:
    return [str(change) for change in merged.changes]


def box(merged: Merged) -> dict[str, Any]:
    """The box after a refresh, a copy that a test may take apart."""
    made: dict[str, Any] = copy.deepcopy(merged.documents["box"])
    return made


def expected(**operations: Any) -> dict[str, Any]:
    """The committed box with other *operations*; one that is None is left out."""
    document: dict[str, Any] = copy.deepcopy(CATALOGUE["box"])
    document["operations"] |= operations
    document["operations"] = {name: told for name, told in document["operations"].items() if told is not None}
    return document


def test_refresh_without_news_changes_nothing(made: MadeSdk) -> None:
    """An SDK that says what it said before leaves every byte, with all that the catalogue knows beyond it."""
    before = copy.deepcopy(CATALOGUE)
    merged = made.merged()
    assert lines(merged) == []
    assert json.dumps([merged.documents[name] for name in CATALOGUE]) == json.dumps([*before.values()])
    assert before == CATALOGUE


def test_refresh_adds_an_enum_value(made: MadeSdk) -> None:
    """A new value goes to the enum and to lists that were the whole enum; a shorter or other list stays as it was."""
    made.operations('GREEN = "green"', 'GREEN = "green"\n        BLUE = "blue"')
    made.edit("models/enums.py", 'WEB = "web"', 'WEB = "web"\n    POST = "post"')
    merged = made.merged()
    assert lines(merged) == [
        "added value of global enum Channel: 'post'",
        "added value of enum box.Colour: 'blue'",
    ]
    assert merged.documents["_shared"]["enums"]["Channel"] == ["web", "post", "shop"]
    document = box(merged)
    assert document["enums"]["Colour"] == ["red", "green", "blue"]
    assert document["fields"]["colour"]["values"] == ["red", "green", "blue"]
    assert document["sub_resources"]["Lid"]["colour"]["values"] == ["red", "green", "blue"]
    params = document["operations"]["create"]["params"]
    assert params["paint"]["values"] == ["red", "mauve"]
    assert params["lids"]["items"]["fields"]["channel"]["values"] == ["shop"]
    assert document["operations"]["list"]["params"]["colour"]["values"] == ["red", "green", "blue"]
    assert document["operations"]["list"]["filters"]["colour"]["values"] == ["red", "green", "blue"]


def test_refresh_drops_an_enum_value_everywhere(made: MadeSdk) -> None:
    """A value that an enum loses is lost to every list beside its name, and only that value."""
    made.operations('        RED = "red"\n', "")
    merged = made.merged()
    assert lines(merged) == ["removed value of enum box.Colour: 'red'"]
    document = box(merged)
    assert document["fields"]["colour"]["values"] == ["green"]
    assert document["operations"]["create"]["params"]["paint"]["values"] == ["mauve"]
    assert document["operations"]["list"]["filters"]["colour"]["values"] == ["green"]


def test_refresh_names_files_that_only_follow(made: MadeSdk) -> None:
    """A file that differs because of another file's enum is named, too: nothing is written that was not said."""
    catalogue = copy.deepcopy(CATALOGUE)
    catalogue["_shared"]["enums"]["Channel"] = ["web", "shop", "fax"]
    channel = catalogue["box"]["operations"]["create"]["params"]["lids"]["items"]["fields"]["channel"]
    channel["values"] = ["fax", "shop"]
    merged = made.merged(catalogue)
    assert lines(merged) == [
        "removed value of global enum Channel: 'fax'",
        "changed lists of values in box: as they were -> as the enums now are",
    ]
    assert box(merged) == CATALOGUE["box"]


def test_refresh_adds_a_parameter_beside_its_neighbour(made: MadeSdk) -> None:
    """A new parameter has what the SDK says and stands where the SDK has it; the others keep what was known."""
    made.operations("name: Required[str]", "name: Required[str]\n        tags: Required[List[str]]")
    merged = made.merged()
    assert lines(merged) == ["added parameter box.create.tags: required list of str"]
    params = box(merged)["operations"]["create"]["params"]
    assert [*params] == ["name", "tags", "paint", "lids", "packed_at", "extra"]
    assert params.pop("tags") == {"type": "list", "items": {"type": "str"}, "required": True}
    assert params == CATALOGUE["box"]["operations"]["create"]["params"]


@pytest.mark.parametrize(
    ("name", "told", "guess"),
    [
        ("sent_at", {"type": "timestamp"}, ["a timestamp, by its name"]),
        ("due_date", {"type": "timestamp"}, ["a timestamp, by its name"]),
        ("term_start", {"type": "timestamp"}, ["a timestamp, by its name"]),
        ("term_end", {"type": "timestamp"}, ["a timestamp, by its name"]),
        ("date", {"type": "timestamp"}, ["a timestamp, by its name"]),
        ("usage_timestamp", {"type": "int", "unit": "milliseconds"}, ["in milliseconds, by its name"]),
        ("resource_version", {"type": "int", "unit": "milliseconds"}, ["in milliseconds, by its name"]),
        ("billing_date", {"type": "int"}, []),
        ("billing_month", {"type": "int"}, []),
        ("update", {"type": "int"}, []),
    ],
)
def test_refresh_guesses_new_timestamps(made: MadeSdk, name: str, told: dict[str, Any], guess: list[str]) -> None:
    """The SDK knows integers only: what a new one counts is told by its name, deep inside as well, and is reported."""
    made.operations("channel: NotRequired[enums.Channel]", f"channel: NotRequired[enums.Channel]\n        {name}: int")
    made.operations(f"{name}: int", f"{name}: NotRequired[int]")
    made.answers("count: int = None", f"count: int = None\n    {name}: int = None")
    merged = made.merged()
    document = box(merged)
    assert document["fields"][name] == told
    assert document["operations"]["create"]["params"]["lids"]["items"]["fields"][name] == told
    assert lines(merged) == [
        f"added field box.{name}: int",
        *(f"guessed field box.{name}: {each}" for each in guess),
        f"added parameter box.create.lids[].{name}: int",
        *(f"guessed parameter box.create.lids[].{name}: {each}" for each in guess),
    ]


def test_refresh_never_guesses_what_was_known(made: MadeSdk) -> None:
    """An integer that the catalogue has already is not taken for a time, whatever its name is."""
    catalogue = copy.deepcopy(CATALOGUE)
    catalogue["box"]["fields"]["created_at"] = {"type": "int"}
    merged = made.merged(catalogue)
    assert lines(merged) == []
    assert merged.documents == catalogue


def test_refresh_guesses_the_enum_of_a_new_field(made: MadeSdk) -> None:
    """Nothing in the SDK says which enum a record's own attribute is of: its name does, and the guess is reported."""
    made.answers("    count: int = None", "    channel: str = None\n    words: str = None\n    count: int = None")
    merged = made.merged()
    assert box(merged)["fields"]["channel"] == {"type": "str", "enum": "Channel"}
    assert box(merged)["fields"]["words"] == {"type": "str"}
    assert lines(merged) == [
        "added field box.channel: str",
        "guessed field box.channel: of the enum Channel, by its name",
        "added field box.words: str",
    ]


def test_refresh_drops_an_operation(made: MadeSdk) -> None:
    """An operation that the SDK has no more goes, and nothing else."""
    made.operations("def delete(", "def delete_no_more(")
    made.operations('request.uri_path("boxes", id, "delete")', 'request.uri_path("boxes", id, "burn")')
    merged = made.merged()
    assert lines(merged) == ["removed operation box.delete", "added operation box.delete_no_more"]
    document = box(merged)
    assert document["operations"].pop("delete_no_more")["path"] == "/boxes/{id}/burn"
    assert document == expected(delete=None)


def test_refresh_knows_an_operation_by_its_call(made: MadeSdk) -> None:
    """An operation of another name that makes the same call is the same one: what was known of it stays."""
    made.operations("def create(", "def make(")
    merged = made.merged()
    assert lines(merged) == ["changed name of operation box.make: create -> make"]
    assert [*box(merged)["operations"]] == ["make", "list", "delete"]
    assert box(merged)["operations"]["make"] == CATALOGUE["box"]["operations"]["create"]


def test_refresh_takes_over_how_an_operation_is_called(made: MadeSdk) -> None:
    """Path, idempotency, sub-domain, JSON keys and required marks are the SDK's; limits and custom fields stay."""
    made.operations('"post", request.uri_path("boxes"),', '"post", request.uri_path("crates", id, "new"),')
    made.operations(
        'jsonKeys = {"extra": 0}\n        options = {"isIdempotent": True}', "jsonKeys = {}\n        options = {}"
    )
    made.operations('"shelf", False', "None, True")
    made.operations("name: Required[str]", "name: NotRequired[str]")
    made.answers('    label: "label.LabelResponse" = None', '    label: "label.LabelResponse"')
    merged = made.merged()
    assert sorted(lines(merged)) == [
        "changed JSON body mark of operation box.delete: False -> True",
        "changed JSON keys of operation box.create: {'extra': 0} -> {}",
        "changed idempotency mark of operation box.create: True -> False",
        "changed path of operation box.create: /boxes -> /crates/{id}/new",
        "changed required of answer key box.create.label: none -> True",
        "changed required of parameter box.create.name: True -> none",
        "changed sub-domain of operation box.delete: shelf -> None",
    ]
    create = box(merged)["operations"]["create"]
    assert create["params"]["name"] == {"type": "str", "max_len": 50}
    assert create["params"]["lids"]["max_len"] == 9
    assert create["custom_fields"] is True


def test_refresh_turns_a_list_into_a_single_answer(made: MadeSdk) -> None:
    """An operation that lists no more has nothing left of what only lists have."""
    made.answers("    list: List[ListBoxResponse]\n    next_offset: str = None", "    box: BoxResponse")
    made.operations("request.send_list_request(", "request.send(")
    merged = made.merged()
    assert lines(merged) == [
        "changed list mark of operation box.list: True -> False",
        "changed list request mark of operation box.list: True -> False",
        "changed next_offset mark of operation box.list: True -> None",
    ]
    told = box(merged)["operations"]["list"]
    assert told["response"] == {"box": {"type": "object", "ref": "box.Box", "required": True}}
    assert told.keys() == CATALOGUE["box"]["operations"]["delete"].keys()


def test_refresh_changes_a_type(made: MadeSdk) -> None:
    """Of another type, a parameter loses its limits and a filter its operators; that a record has it always is kept."""
    made.operations("name: Required[str]", "name: Required[List[str]]")
    made.operations("name: Required[Filters.StringFilter]", "name: Required[Filters.NumberFilter]")
    made.answers("created_at: int", "created_at: str")
    merged = made.merged()
    assert lines(merged) == [
        "changed type of field box.created_at: required timestamp -> str",
        "changed type of parameter box.create.name: required str -> required list of str",
        "changed type of parameter box.list.name: required string filter -> required number filter",
    ]
    document = box(merged)
    assert document["fields"]["created_at"] == {"type": "str", "required": True}
    assert document["operations"]["create"]["params"]["name"] == {
        "type": "list", "items": {"type": "str"}, "required": True,
    }  # fmt: skip
    assert document["operations"]["list"]["filters"]["name"] == {"type": "number", "required": True}


def test_refresh_changes_what_a_list_holds(made: MadeSdk) -> None:
    """What is known of a list itself stays when its items become something else."""
    made.operations('lids: NotRequired[List["Box.CreateLidParams"]]', "lids: NotRequired[List[Dict[Any, Any]]]")
    merged = made.merged()
    assert lines(merged) == ["changed type of parameter box.create.lids[]: object -> json"]
    assert box(merged)["operations"]["create"]["params"]["lids"] == {
        "type": "list", "items": {"type": "json"}, "max_len": 9,
    }  # fmt: skip


def test_refresh_counts_the_last_of_two_classes(made: MadeSdk) -> None:
    """The official SDK defines a class twice; Python, and so the refresh, goes by the last."""
    made.operations(
        "    class CreateLidParams", '    class Colour(Enum):\n        BLACK = "black"\n\n    class CreateLidParams'
    )
    made.answers("class BoxResponse", "class LidResponse(Model):\n    weight: int = None\n\nclass BoxResponse")
    merged = made.merged()
    assert box(merged)["enums"]["Colour"] == ["black"]
    assert box(merged)["sub_resources"]["Lid"] == {"weight": {"type": "int", "required": True}}


def test_refresh_keeps_dangling_and_foreign_enum_names(made: MadeSdk) -> None:
    """A name that nothing defines, and one of another resource, are taken over as the SDK gives them."""
    extraction = extract(made.folder, "1")
    lid = extraction.resources["box"]["sub_resources"]["Lid"]
    assert lid["shade"] == {"type": "str", "enum": "Box.NobodyDefinesIt"}
    assert lid["size"] == {"type": "str", "enum": "Label.Size", "required": True}
    made.operations('shade: NotRequired["Box.NobodyDefinesIt"]', "shade: NotRequired[enums.Channel]")
    merged = made.merged()
    assert lines(merged) == ["changed enum of field box.Lid.shade: Box.NobodyDefinesIt -> Channel"]
    assert box(merged)["sub_resources"]["Lid"]["shade"] == {"type": "str", "enum": "Channel"}


def test_refresh_drops_the_name_of_an_enum_that_is_gone(made: MadeSdk) -> None:
    """A record's attribute does not name an enum that no longer exists; one of the same name elsewhere is guessed."""
    made.operations('    class Colour(Enum):\n        RED = "red"\n        GREEN = "green"\n', "")
    text = (made.folder / "models/box/operations.py").read_text()
    made.put("models/box/operations.py", text.replace('"Box.Colour"', "enums.Colour"))
    made.put(
        "models/enums.py", 'class Channel(Enum):\n    W = "web"\n    S = "shop"\nclass Colour(Enum):\n    R = "red"\n'
    )
    merged = made.merged()
    assert box(merged)["fields"]["colour"] == {"type": "str", "required": True, "enum": "Colour"}
    assert {
        "removed enum box.Colour",
        "added global enum Colour",
        "removed enum of field box.colour: Box.Colour",
        "guessed field box.colour: of the enum Colour, by its name",
        "changed enum of parameter box.create.paint: Box.Colour -> Colour",
    } <= {*lines(merged)}


def test_refresh_takes_no_notice_of_order(made: MadeSdk) -> None:
    """Fields, parameters and values that only change places are no change: the catalogue's order is kept."""
    made.operations('RED = "red"\n        GREEN = "green"', 'GREEN = "green"\n        RED = "red"')
    made.operations("        name: Required[str]\n", "")
    made.operations(
        "        packed_at: NotRequired[int]\n", "        packed_at: NotRequired[int]\n        name: Required[str]\n"
    )
    assert json.dumps(made.merged().documents) == json.dumps(CATALOGUE)


def test_refresh_renames_a_class(made: MadeSdk) -> None:
    """A resource's class of another name is the same resource; what points to it says the new name."""
    made.edit("models/label/operations.py", "class Label:", "class Tag:")
    made.edit("models/label/responses.py", "class LabelResponse", "class TagResponse")
    made.answers("label.LabelResponse", "label.TagResponse")
    made.operations("label.Label.Size", "label.Tag.Size")
    merged = made.merged()
    assert lines(merged) == [
        "changed enum of field box.Lid.size: Label.Size -> Tag.Size",
        "changed type of answer key box.create.label: object label.Label -> object label.Tag",
        "changed class of resource label: Label -> Tag",
    ]
    assert merged.documents["label"] == CATALOGUE["label"] | {"class": "Tag"}


def test_refresh_adds_and_drops_resources(made: MadeSdk) -> None:
    """A new resource comes whole, with guesses in all its corners; one that is gone leaves."""
    catalogue = {name: document for name, document in CATALOGUE.items() if name != "box"}
    catalogue["crate"] = CATALOGUE["label"] | {"class": "Crate"}
    merged = made.merged(catalogue)
    assert lines(merged) == [
        "removed resource crate",
        "added resource box",
        "guessed field box.colour: of the enum Box.Colour, by its name",
        "guessed field box.created_at: a timestamp, by its name",
        "guessed parameter box.create.packed_at: a timestamp, by its name",
    ]
    assert merged.documents.keys() == CATALOGUE.keys()
    listing = box(merged)["operations"]["list"]
    assert listing.keys() == CATALOGUE["box"]["operations"]["list"].keys()
    assert listing["filters"] == {"colour": {"type": "enum"}, "name": {"type": "string", "required": True}}
    assert (listing["sort_by"], listing["custom_field_filters"]) == ({}, False)


@pytest.mark.parametrize(
    ("path", "old", "new", "message"),
    [
        ("operations", "env: environment.Environment\n", "env = None\n", "a line that is not known: env = None"),
        ("operations", "name: Required[str]", "name: str", "neither Required nor NotRequired"),
        ("operations", "name: Required[str]", "name: Required[Tuple[str]]", r"a type Tuple\[...\], which is not known"),
        ("operations", "name: Required[str]", "name: Required[str | int]", "a type that is not known"),
        ("operations", "name: Required[str]", "name: Required[jar.Jar.X]", "names jar.Jar.X, whose module"),
        ("operations", "class CreateLidParams", "class Other", "takes Box.CreateLidParams, which is not defined"),
        ("operations", "class CreateParams", "class Other", "takes CreateParams, which is not defined"),
        ("operations", "class Lid(", "class Other(", "defines no Lid beside LidResponse"),
        ("operations", 'request.uri_path("boxes", id, "delete")', '"/boxes"', "does not say its path"),
        ("operations", "DeleteResponse,\n", "label.DeleteResponse,\n", "label.DeleteResponse, which is not a name"),
        ("operations", '"boxes", id, "delete"', '"boxes", id, where()', "sends where()"),
        ("operations", '"shelf", False, jsonKeys, options', '"shelf", False', "8 values; 10 were expected"),
        ("operations", 'jsonKeys = {"extra": 0}', "keys = {}", "does not set jsonKeys"),
        ("operations", "return self.env", 'request.send("get")\n        return 1', "otherwise than in its last line"),
        ("operations", "class Box:", "class A:\n    pass\n\nclass Box:", "defines 2 classes"),
        ("operations", "class Box:", "class Box", "box/operations.py cannot be read"),
        ("responses", "class BoxResponse(", "class Other(", "defines no BoxResponse"),
        ("responses", "class DeleteResponse", "class Other", "answers with DeleteResponse, which is not defined"),
        ("responses", "class ListBoxResponse", "class Other", "answers with ListBoxResponse, which is not defined"),
        ("responses", '"label.LabelResponse"', '"label.Other"', "answers with label.Other, which is not defined"),
    ],
)
def test_refresh_refuses_an_unknown_shape(made: MadeSdk, path: str, old: str, new: str, message: str) -> None:
    """An SDK that is written otherwise stops the refresh: what it cannot read must not look like a removal."""
    made.edit(f"models/box/{path}.py", old, new)
    with pytest.raises(SdkError, match=message):
        made.merged()


def test_refresh_refuses_an_sdk_without_operations(made: MadeSdk, tmp_path: Path) -> None:
    """A folder without models, and models that send in no known way, are not taken for an empty API."""
    text = (made.folder / "models/box/operations.py").read_text()
    made.put("models/box/operations.py", text.replace("request.send", "wire.send"))
    with pytest.raises(SdkError, match="no method that sends anything"):
        made.merged()
    with pytest.raises(SdkError, match="no models"):
        extract(tmp_path, "1")
