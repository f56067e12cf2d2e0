"""What the catalogue says of an answer, read straight from its files: by neither the sandbox nor the client."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from attrs import frozen

from tests.codegen.catalogue import documents, overrides, shared

JSON_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "timestamp": (int,),
    "float": (int, float),
    "bool": (bool,),
    "json": (dict, list, str, int, float, bool),
}
ERROR_KEYS = {"message", "api_error_code", "error_code", "error_msg", "http_status_code"}


@frozen
class Row:
    """One operation of the catalogue."""

    resource: str
    name: str
    told: dict[str, Any]

    @property
    def id(self) -> str:
        """Its name in a test run."""
        return f"{self.resource}.{self.name}"


def operations() -> list[Row]:
    """All operations."""
    return [
        Row(resource, name, told)
        for resource, document in documents().items()
        for name, told in document["operations"].items()
    ]


def faults_of_answer(row: Row, answer: Any) -> list[str]:
    """What is wrong with the body of a success, by its place in it."""
    told = row.told["rows"] if row.told["list"] else row.told["response"] or {}
    if not row.told["list"]:
        return list(_of_keys(told, answer, "", strict=False))
    found = [f"unknown key {key}" for key in answer.keys() - {"list", "next_offset"}]
    for index, one in enumerate(answer["list"]):
        found += _of_keys(told, one, f"list[{index}]", strict=False)
    return found


def faults_of_error(status: int, answer: Any) -> list[str]:
    """What is wrong with the body of an error."""
    found = [f"missing {key}" for key in sorted(ERROR_KEYS - answer.keys())]
    found += [f"null at {key}" for key, value in answer.items() if value is None]
    if answer.get("http_status_code") != status:
        found.append("http_status_code is not the status")
    return found


def faults_of_record(reference: str, value: Any) -> list[str]:
    """What is wrong with an object of ``customer.Customer``."""
    return list(_of_value({"type": "object", "ref": reference}, value, reference))


def _of_keys(told: dict[str, Any], value: Any, place: str, *, strict: bool) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{place}: no object"
        return
    if strict and not isinstance(value.get("object"), str):
        yield f"{place}: does not say which object it is"
    for key, own in value.items():
        if own is None:
            yield f"{place}.{key}: null"
        elif key in told:
            yield from _of_value(told[key], own, f"{place}.{key}")
        elif not (strict and (key == "object" or key.startswith("cf_"))):
            yield f"{place}.{key}: unknown"
    yield from (f"{place}.{key}: missing" for key, one in told.items() if one.get("required") and key not in value)


def _of_value(told: dict[str, Any], value: Any, place: str) -> Iterator[str]:
    kind = told["type"]
    if kind == "list":
        if not isinstance(value, list):
            yield f"{place}: no list"
            return
        inner = told["items"] | ({"enum": told["enum"]} if "enum" in told else {})
        for index, one in enumerate(value):
            yield from _of_value(inner, one, f"{place}[{index}]")
    elif kind == "object":
        resource, _, cls = told["ref"].partition(".")
        document = documents()[resource]
        whole = cls == document["class"]
        yield from _of_keys(document["fields"] if whole else document["sub_resources"][cls], value, place, strict=True)
    elif not isinstance(value, JSON_TYPES[kind]) or (isinstance(value, bool) and kind not in ("bool", "json")):
        yield f"{place}: {type(value).__name__} is no {kind}"
    else:
        values = known_values(told)
        if values and value not in values:
            yield f"{place}: {value!r} is none of the known values"


def known_values(told: dict[str, Any]) -> set[str]:
    """The known values of an attribute: its own, and those of the enum that it names."""
    reference = told.get("enum", "")
    cls, dot, name = reference.partition(".")
    if not dot:
        return {*told.get("values", ()), *shared()["enums"].get(reference, ())}
    homes = [key for key, document in documents().items() if document["class"] == cls]
    patched = {
        value
        for patch in overrides()["patch"]
        if patch["at"] in [f"{home}/enums/{name}" for home in homes]
        for value in patch["value"]
    }
    own = {value for home in homes for value in documents()[home]["enums"].get(name, ())}
    return own | patched | set(told.get("values", ()))


def parameters(told: dict[str, Any], known: dict[str, str], *, optional: bool) -> list[tuple[str, str]]:
    """Legal form pairs for an operation: the required parameters, or all of them; ``known`` gives ids by name."""
    return [
        pair
        for name, one in told["params"].items()
        if one["type"] != "filter" and (optional or one.get("required"))
        for pair in _pairs(name, name, one, known, told["json_keys"], 0, optional)
    ]


def required(path: str, given: dict[str, str]) -> dict[str, str]:
    """The smallest legal body of a POST: what the catalogue requires, *given* first."""
    row = _rows_by_path()["POST", path]
    return {**dict(parameters(row.told, {}, optional=False)), **given}


def _pairs(
    key: str, name: str, told: dict[str, Any], known: dict[str, str], json_keys: dict[str, int], level: int, all_: bool
) -> Iterator[tuple[str, str]]:
    kind = told["type"]
    if json_keys.get(name) == level or kind == "json":
        yield key, "[]" if kind == "list" else "{}"
    elif kind == "object":
        for child, one in told["fields"].items():
            if one["type"] != "filter" and (all_ or one.get("required")):
                yield from _pairs(f"{key}[{child}]", child, one, known, json_keys, level + 1, all_)
    elif kind == "list" and told["items"]["type"] == "object":
        fields = told["items"]["fields"]
        chosen = {child: one for child, one in fields.items() if all_ or one.get("required")}
        for child, one in (chosen or dict(list(fields.items())[:1])).items():
            if json_keys.get(child) == level + 1 or one["type"] == "json":
                yield f"{key}[{child}][0]", "[]" if one["type"] == "list" else "{}"
            else:
                yield f"{key}[{child}][0]", text(child, one, known)
    elif kind == "list":
        if told["items"]["type"] != "json":
            yield f"{key}[0]", text(name.removesuffix("s"), told["items"] | {"max_len": 50}, known)
        else:
            yield key, "[]"
    else:
        yield key, text(name, told, known)


def text(name: str, told: dict[str, Any], known: dict[str, str]) -> str:
    """A legal value as its text in a form."""
    values = list(told.get("values", ())) or sorted(known_values(told))
    if values:
        return str(values[0])
    kind = told["type"]
    if kind == "int":
        return str(told.get("min", 1))
    plain = {"bool": "true", "float": str(told.get("min", 1.5)), "timestamp": "1800000000"}
    if kind in plain:
        return plain[kind]
    if told.get("format") == "email" or name == "email":
        return "someone@example.com"
    return known.get(name, f"{name}_1")[: told.get("max_len", 50)].ljust(told.get("min_len", 0), "x")


@cache
def _rows_by_path() -> dict[tuple[str, str], Row]:
    return {(row.told["http"], row.told["path"]): row for row in operations() if row.told["sub_domain"] is None}


def faults_of_reply(method: str, path: str, status: int, answer: Any) -> list[str]:
    """What is wrong with an answer to a call by its native path; nothing is known of paths that are no operation."""
    first, *rest = path.strip("/").split("/")
    starred = "/" + "/".join((first, "{id}", *rest[1:])) if rest else path
    row = _rows_by_path().get((method, path)) or _rows_by_path().get((method, starred))
    if status >= 400:
        return faults_of_error(status, answer)
    return [] if row is None else [f"{row.id} {fault}" for fault in faults_of_answer(row, answer)]
