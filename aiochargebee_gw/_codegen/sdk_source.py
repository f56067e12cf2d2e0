"""The official SDK's files as data: read with `ast`, never imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from attrs import field, frozen

from .names import CatalogueError

__all__ = ["Field", "SdkError", "Source", "enum_values", "read_enums", "read_source", "read_tree"]


class SdkError(CatalogueError):
    """The SDK is not there, or has a shape that this reader does not know."""


@frozen
class Field:
    """One line of a `TypedDict` or dataclass: its annotation, and whether it must be there."""

    annotation: ast.expr
    required: bool


@frozen
class Source:
    """One resource: `models/<name>/operations.py` and `responses.py`."""

    name: str
    cls: str
    enums: dict[str, list[str]]
    shapes: dict[str, dict[str, Field]]
    """The `TypedDict`s: parameters of methods, and parts of records with their enums and `Required` marks."""
    methods: dict[str, ast.FunctionDef]
    answers: dict[str, dict[str, Field]] = field(factory=dict)
    models: tuple[str, ...] = ()
    """Those of the answers that are records or parts of records."""


def read_tree(path: Path) -> ast.Module:
    """The syntax tree of a file. Raises `SdkError` for a file that is not there or is not Python."""
    try:
        return ast.parse(path.read_bytes(), filename=path.name)
    except (OSError, SyntaxError) as error:
        raise SdkError(f"the SDK's {path.parent.name}/{path.name} cannot be read: {error}") from error


def read_enums(path: Path) -> dict[str, list[str]]:
    """The values of each `Enum` of a file."""
    return {made.name: enum_values(made) for made in _classes(read_tree(path).body) if _based_on(made, "Enum")}


def enum_values(made: ast.ClassDef) -> list[str]:
    """The values of an `Enum`, in its order."""
    return [
        line.value.value
        for line in made.body
        if isinstance(line, ast.Assign)
        if isinstance(line.value, ast.Constant) and isinstance(line.value.value, str)
    ]


def read_source(folder: Path) -> Source:
    """The two files of a resource. Of a class that stands there twice the last counts, as when Python runs it."""
    resource, *others = _classes(read_tree(folder / "operations.py").body)
    if others:
        raise SdkError(f"{folder.name}/operations.py defines {len(others) + 1} classes; one was expected")
    for line in resource.body:
        if not isinstance(line, ast.ClassDef | ast.FunctionDef | ast.AnnAssign | ast.Expr | ast.Pass):
            raise SdkError(f"{folder.name}/operations.py has a line that is not known: {ast.unparse(line)}")
    inner = list(_classes(resource.body))
    answers = list(_classes(read_tree(folder / "responses.py").body))
    return Source(
        name=folder.name,
        cls=resource.name,
        enums={made.name: enum_values(made) for made in inner if _based_on(made, "Enum")},
        shapes={made.name: _shape(made) for made in inner if _based_on(made, "TypedDict")},
        methods={line.name: line for line in resource.body if isinstance(line, ast.FunctionDef)},
        answers={made.name: _answer(made) for made in answers},
        models=tuple(dict.fromkeys(made.name for made in answers if _based_on(made, "Model"))),
    )


def _classes(body: list[ast.stmt]) -> Iterator[ast.ClassDef]:
    return (line for line in body if isinstance(line, ast.ClassDef))


def _based_on(made: ast.ClassDef, name: str) -> bool:
    return any(isinstance(base, ast.Name) and base.id == name for base in made.bases)


def _lines(made: ast.ClassDef) -> Iterator[tuple[str, ast.AnnAssign]]:
    for line in made.body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            yield line.target.id, line


def _shape(made: ast.ClassDef) -> dict[str, Field]:
    """A `TypedDict`, in which each annotation is `Required[...]` or `NotRequired[...]`."""
    fields: dict[str, Field] = {}
    for name, line in _lines(made):
        mark = line.annotation
        if not (isinstance(mark, ast.Subscript) and isinstance(mark.value, ast.Name)):
            raise SdkError(f"{made.name}.{name} is neither Required nor NotRequired")
        fields[name] = Field(mark.slice, mark.value.id == "Required")
    return fields


def _answer(made: ast.ClassDef) -> dict[str, Field]:
    """A dataclass of an answer: what has a default may be missing. The SDK's own two attributes are left out."""
    return {
        name: Field(line.annotation, line.value is None)
        for name, line in _lines(made)
        if name not in ("raw_data", "is_idempotency_replayed")
    }
