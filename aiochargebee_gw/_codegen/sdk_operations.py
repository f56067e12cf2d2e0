"""The SDK's methods as the catalogue's operations: what each of them sends in its last line."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from .sdk_source import Field, SdkError, Source
from .sdk_types import SdkTypes, required

__all__ = ["derived", "operations"]

_SENDERS = ("send", "send_list_request")


def operations(types: SdkTypes, source: Source) -> dict[str, Any]:
    """The operations of a resource, by name. Methods that send nothing themselves (`wait_for_...`) are none."""
    return {
        name: _operation(types, source, method, call)
        for name, method in source.methods.items()
        if (call := _sending(method)) is not None
    }


def _sending(method: ast.FunctionDef) -> ast.Call | None:
    calls = [node for node in ast.walk(method) if isinstance(node, ast.Call) and _is_sender(node.func)]
    if not calls:
        return None
    last = method.body[-1]
    if len(calls) > 1 or not isinstance(last, ast.Return) or last.value is not calls[0]:
        raise SdkError(f"{method.name} sends otherwise than in its last line")
    return calls[0]


def _is_sender(function: ast.expr) -> bool:
    match function:
        case ast.Attribute(value=ast.Name(id="request"), attr=name):
            return name in _SENDERS
    return False


def _operation(types: SdkTypes, source: Source, method: ast.FunctionDef, call: ast.Call) -> dict[str, Any]:
    where = f"{source.name}.{method.name}"
    # (method, url, env, params, headers, response, sub-domain, is JSON, JSON keys, options) and two by name.
    if len(call.args) != 10:
        raise SdkError(f"{where} sends {len(call.args)} values; 10 were expected")
    verb, url, _, _, _, answer, sub_domain, is_json, _, _ = call.args
    shape, must = _parameters(method)
    answers = _answers(source, _name(answer, where))
    made = {
        "http": _literal(verb, where).upper(),
        "path": _path(url, where),
        "list": "list" in answers,
        "list_request": isinstance(call.func, ast.Attribute) and call.func.attr == "send_list_request",
        "params": types.parameters(source, shape) if shape else {},
        "params_required": must,
        "idempotent": bool(_local(method, "options").get("isIdempotent")),
        "sub_domain": _literal(sub_domain, where),
        "json_body": _literal(is_json, where),
        "json_keys": _local(method, "jsonKeys"),
        "telemetry": [_literal(word.value, where) for word in call.keywords],
    }
    return made | (_rows(types, source, answers) if made["list"] else {"response": _keys(types, source, answers)})


def _parameters(method: ast.FunctionDef) -> tuple[str, bool]:
    """The `TypedDict` that a method takes (none: ""), and whether it must be given."""
    for number, argument in enumerate(method.args.args):
        if argument.arg == "params" and isinstance(argument.annotation, ast.Name):
            optional = len(method.args.args) - len(method.args.defaults)
            return argument.annotation.id, number < optional
    return "", False


def _path(url: ast.expr, where: str) -> str:
    """`request.uri_path("customers", id, "delete")` as `/customers/{id}/delete`."""
    if not isinstance(url, ast.Call):
        raise SdkError(f"{where} does not say its path")
    return "".join(
        f"/{{{part.id}}}" if isinstance(part, ast.Name) else f"/{_literal(part, where)}" for part in url.args
    )


def _local(method: ast.FunctionDef, name: str) -> dict[str, Any]:
    """A dict that a method sets before it sends: `jsonKeys` or `options`."""
    for line in method.body:
        match line:
            case ast.Assign(targets=[ast.Name(id=target)], value=ast.Dict() as value) if target == name:
                return dict(ast.literal_eval(value))
    raise SdkError(f"{method.name} does not set {name}")


def _keys(types: SdkTypes, source: Source, answers: dict[str, Field]) -> dict[str, Any]:
    return {name: types.answer(source, told.annotation) | required(told) for name, told in answers.items()}


def _rows(types: SdkTypes, source: Source, answers: dict[str, Field]) -> dict[str, Any]:
    listed = answers["list"].annotation
    row = _name(listed.slice, source.name) if isinstance(listed, ast.Subscript) else ""
    return {"rows": _keys(types, source, _answers(source, row)), "next_offset": "next_offset" in answers}


def _answers(source: Source, name: str) -> dict[str, Field]:
    if name not in source.answers:
        raise SdkError(f"{source.name} answers with {name}, which is not defined")
    return source.answers[name]


def derived(operation: dict[str, Any]) -> dict[str, Any]:
    """What the catalogue says twice of a list: its filters by their wire names, sorts, row keys, `include_deleted`."""
    if "rows" not in operation:
        return {}
    params = operation["params"]
    return {
        "filters": dict(_filters(params)),
        "sort_by": params["sort_by"].get("sortable", {}) if "sort_by" in params else None,
        "envelope": {name: bool(told.get("required")) for name, told in operation["rows"].items()},
        "include_deleted": "include_deleted" in params,
    }


def _filters(params: dict[str, Any], pattern: str = "{}") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, told in params.items():
        if told["type"] == "object":
            yield from _filters(told["fields"], f"{name}[{{}}]")
        elif told["type"] == "filter" and told["filter"] != "sort":
            rest = {key: value for key, value in told.items() if key not in ("type", "filter", "required")}
            yield pattern.format(name), {"type": told["filter"], **rest, **_kept(told, "required")}


def _kept(told: dict[str, Any], key: str) -> dict[str, Any]:
    return {key: told[key]} if key in told else {}


def _name(node: ast.expr, where: str) -> str:
    match node:
        case ast.Name(id=name) | ast.Constant(value=str(name)):
            return name
    raise SdkError(f"{where} answers with {ast.unparse(node)}, which is not a name")


def _literal(node: ast.expr, where: str) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    raise SdkError(f"{where} sends {ast.unparse(node)}, which is not a literal")
