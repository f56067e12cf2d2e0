"""A made-up SDK of two resources in the official one's shape, and a catalogue that knows more of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiochargebee_gw._codegen.merge import Merged, merge
from aiochargebee_gw._codegen.sdk import extract

ENUMS = """
class Channel(Enum):
    WEB = "web"
    SHOP = "shop"
"""

FILTERS = """
class Filters:
    class StringFilter(TypedDict):
        IS: NotRequired[str]
        IN: NotRequired[List[str]]

    class SortFilter(TypedDict):
        ASC: NotRequired[str]
"""

LABEL = """
class Label:
    env: environment.Environment
    class Size(Enum):
        SMALL = "small"
        LARGE = "large"
"""

LABEL_ANSWERS = """
class LabelResponse(Model):
    raw_data: Dict[Any, Any] = None
    text: str = None
"""

BOX = """
from enum import Enum

class Box:
    env: environment.Environment

    class Colour(Enum):
        RED = "red"
        GREEN = "green"

    class Lid(TypedDict):
        colour: NotRequired["Box.Colour"]
        shade: NotRequired["Box.NobodyDefinesIt"]
        size: Required["label.Label.Size"]
        weight: Required[int]

    class CreateLidParams(TypedDict):
        colour: NotRequired["Box.Colour"]
        channel: NotRequired[enums.Channel]

    class CreateParams(TypedDict):
        name: Required[str]
        paint: NotRequired["Box.Colour"]
        lids: NotRequired[List["Box.CreateLidParams"]]
        packed_at: NotRequired[int]
        extra: NotRequired[Dict[Any, Any]]

    class ListParams(TypedDict):
        limit: NotRequired[int]
        colour: NotRequired[Filters.EnumFilter]
        name: Required[Filters.StringFilter]
        sort_by: NotRequired[Filters.SortFilter]

    def create(self, params: CreateParams, headers=None) -> CreateResponse:
        jsonKeys = {"extra": 0}
        options = {"isIdempotent": True}
        return request.send("post", request.uri_path("boxes"), self.env, cast(Dict[Any, Any], params), headers,
            CreateResponse, None, False, jsonKeys, options, resource="box", operation="create")

    def list(self, params: ListParams = None, headers=None) -> ListResponse:
        jsonKeys = {}
        options = {}
        return request.send_list_request("get", request.uri_path("boxes"), self.env, cast(Dict[Any, Any], params),
            headers, ListResponse, None, False, jsonKeys, options, resource="box", operation="list")

    def delete(self, id, headers=None) -> DeleteResponse:
        jsonKeys = {}
        options = {"isIdempotent": True}
        return request.send("post", request.uri_path("boxes", id, "delete"), self.env, None, headers, DeleteResponse,
            "shelf", False, jsonKeys, options, resource="box", operation="delete")

    def wait_until_packed(self, box: BoxResponse):
        return self.env
"""

BOX_ANSWERS = """
class LidResponse(Model):
    raw_data: Dict[Any, Any] = None
    colour: str = None
    shade: str = None
    size: str = None
    weight: int = None

class BoxResponse(Model):
    raw_data: Dict[Any, Any] = None
    id: str = None
    colour: str = None
    created_at: int = None
    count: int = None
    lids: List[LidResponse] = None

class CreateResponse(Response):
    is_idempotency_replayed: bool
    box: BoxResponse
    label: "label.LabelResponse" = None

class ListBoxResponse:
    box: BoxResponse

class ListResponse(Response):
    list: List[ListBoxResponse]
    next_offset: str = None

class DeleteResponse(Response):
    is_idempotency_replayed: bool
    box: BoxResponse
"""

_BOX_KEY = {"type": "object", "ref": "box.Box", "required": True}
_COLOURS = ["red", "green"]
_CREATE: dict[str, Any] = {
    "http": "POST", "path": "/boxes", "list": False, "list_request": False,
    "params": {
        "name": {"type": "str", "required": True, "max_len": 50},
        "paint": {"type": "enum", "enum": "Box.Colour", "values": ["red", "mauve"]},
        "lids": {"type": "list", "items": {"type": "object", "fields": {
            "colour": {"type": "enum", "enum": "Box.Colour", "values": _COLOURS},
            "channel": {"type": "enum", "enum": "Channel", "values": ["shop"]},
        }}, "max_len": 9},
        "packed_at": {"type": "timestamp"},
        "extra": {"type": "json"},
    },
    "params_required": True, "idempotent": True, "sub_domain": None, "json_body": False, "json_keys": {"extra": 0},
    "telemetry": ["box", "create"],
    "response": {"box": _BOX_KEY, "label": {"type": "object", "ref": "label.Label"}}, "custom_fields": True,
}  # fmt: skip
_SORTS = {"asc": ["created_at"], "desc": ["created_at"]}
_LIST: dict[str, Any] = {
    "http": "GET", "path": "/boxes", "list": True, "list_request": True,
    "params": {
        "limit": {"type": "int", "min": 1, "max": 100},
        "colour": {"type": "filter", "filter": "enum", "operators": ["is"], "values": _COLOURS},
        "name": {"type": "filter", "filter": "string", "required": True, "operators": ["is"]},
        "sort_by": {"type": "filter", "filter": "sort", "sortable": _SORTS},
    },
    "params_required": False, "idempotent": False, "sub_domain": None, "json_body": False, "json_keys": {},
    "telemetry": ["box", "list"], "rows": {"box": _BOX_KEY}, "next_offset": True,
    "filters": {
        "colour": {"type": "enum", "operators": ["is"], "values": _COLOURS},
        "name": {"type": "string", "operators": ["is"], "required": True},
    },
    "sort_by": _SORTS, "envelope": {"box": True}, "include_deleted": False, "custom_field_filters": True,
}  # fmt: skip
_DELETE: dict[str, Any] = {
    "http": "POST", "path": "/boxes/{id}/delete", "list": False, "list_request": False, "params": {},
    "params_required": False, "idempotent": True, "sub_domain": "shelf", "json_body": False, "json_keys": {},
    "telemetry": ["box", "delete"], "response": {"box": _BOX_KEY},
}  # fmt: skip
CATALOGUE: dict[str, Any] = {
    "_shared": {
        "sdk": "made up", "version": "1", "filter_operators": {"string": ["is", "in"], "sort": ["asc"]},
        "enums": {"Channel": ["web", "shop"]},
    },
    "box": {
        "class": "Box",
        "fields": {
            "id": {"type": "str", "required": True},
            "colour": {"type": "str", "enum": "Box.Colour", "required": True, "values": _COLOURS},
            "created_at": {"type": "timestamp", "required": True},
            "count": {"type": "int"},
            "lids": {"type": "list", "items": {"type": "object", "ref": "box.Lid"}},
        },
        "sub_resources": {"Lid": {
            "colour": {"type": "str", "enum": "Box.Colour", "values": _COLOURS},
            "shade": {"type": "str", "enum": "Box.NobodyDefinesIt", "values": ["dark"]},
            "size": {"type": "str", "enum": "Label.Size", "required": True},
            "weight": {"type": "int", "required": True},
        }},
        "enums": {"Colour": _COLOURS},
        "operations": {"create": _CREATE, "list": _LIST, "delete": _DELETE},
        "custom_fields": True,
    },
    "label": {
        "class": "Label", "fields": {"text": {"type": "str"}}, "sub_resources": {},
        "enums": {"Size": ["small", "large"]}, "operations": {},
    },
}  # fmt: skip


class MadeSdk:
    """The made-up SDK in a folder; `edit` changes a file of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for path, text in {
            "models/enums.py": ENUMS,
            "filters/filters.py": FILTERS,
            "models/box/operations.py": BOX,
            "models/box/responses.py": BOX_ANSWERS,
            "models/label/operations.py": LABEL,
            "models/label/responses.py": LABEL_ANSWERS,
        }.items():
            self.put(path, text)

    def put(self, path: str, text: str) -> None:
        """Write a file."""
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text)

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace *old*, which stands in the file once."""
        text = (self.folder / path).read_text()
        assert text.count(old) == 1, f"{text.count(old)} times in {path}: {old}"
        self.put(path, text.replace(old, new))

    def operations(self, old: str, new: str) -> None:
        """Edit the operations of the box."""
        self.edit("models/box/operations.py", old, new)

    def answers(self, old: str, new: str) -> None:
        """Edit the answers of the box."""
        self.edit("models/box/responses.py", old, new)

    def merged(self, catalogue: dict[str, Any] | None = None) -> Merged:
        """What a refresh makes of the catalogue."""
        return merge(CATALOGUE if catalogue is None else catalogue, extract(self.folder, "1"))
