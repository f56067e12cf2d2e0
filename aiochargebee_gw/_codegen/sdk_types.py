"""The SDK's annotations as the catalogue's types."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from attrs import frozen

from .sdk_source import Field, SdkError, Source

__all__ = ["SdkTypes", "required"]

_SCALARS = {"str": "str", "int": "int", "float": "float", "bool": "bool", "Any": "json"}


@frozen
class SdkTypes:
    """All resources of the SDK: an annotation may name what another one defines."""

    sources: dict[str, Source]

    def parameters(self, source: Source, shape: str) -> dict[str, Any]:
        """A `TypedDict` of parameters: types by name, `required` only where true."""
        if shape not in source.shapes:
            raise SdkError(f"{source.name} takes {shape}, which is not defined")
        return {
            name: self._parameter(source, told.annotation) | required(told)
            for name, told in source.shapes[shape].items()
        }

    def _parameter(self, source: Source, annotation: ast.expr) -> dict[str, Any]:
        if isinstance(annotation, ast.Subscript):
            return _container(source, annotation, self._parameter)
        name = _dotted(annotation)
        if name in _SCALARS:
            return {"type": _SCALARS[name]}
        if name.startswith("Filters."):
            return {"type": "filter", "filter": name.removeprefix("Filters.").removesuffix("Filter").lower()}
        owner, shape = self._owner(source, name)
        if owner and shape in owner.shapes:
            return {"type": "object", "fields": self.parameters(owner, shape)}
        if shape.endswith("Params"):
            raise SdkError(f"{source.name} takes {name}, which is not defined")
        return {"type": "enum", "enum": self._enum(source, name)}

    def attributes(self, source: Source, model: str) -> dict[str, Any]:
        """A record or a part of one. Of parts a `TypedDict` of the same name tells the enums and what is required; of
        records nothing does."""
        part = model.removesuffix("Response")
        marks = source.shapes.get(part, {})
        if not marks and part != source.cls and source.answers[model]:
            raise SdkError(f"{source.name} defines no {part} beside {model}: its enums and marks are not known")
        fields = {name: self.answer(source, told.annotation) for name, told in source.answers[model].items()}
        for name in fields.keys() & marks.keys():
            fields[name] |= self._enum_of_part(source, fields[name], marks[name].annotation) | required(marks[name])
        return fields

    def _enum_of_part(self, source: Source, told: dict[str, Any], annotation: ast.expr) -> dict[str, Any]:
        if told["type"] != "str" or _dotted(annotation) in _SCALARS:
            return {}
        return {"enum": self._enum(source, _dotted(annotation))}

    def answer(self, source: Source, annotation: ast.expr) -> dict[str, Any]:
        """The type of a value in an answer; an object's is `ref`: module and class."""
        if isinstance(annotation, ast.Subscript):
            return _container(source, annotation, self.answer)
        name = _dotted(annotation)
        if name in _SCALARS:
            return {"type": _SCALARS[name]}
        owner, shape = self._owner(source, name)
        if owner is None or shape not in owner.answers:
            raise SdkError(f"{source.name} answers with {name}, which is not defined")
        return {"type": "object", "ref": f"{owner.name}.{shape.removesuffix('Response')}"}

    def _owner(self, source: Source, name: str) -> tuple[Source | None, str]:
        """Where a class is defined: `Customer.X` and `XResponse` here, `card.XResponse` in another resource."""
        *path, last = name.split(".")
        if not path or path[0] == source.cls:
            return source, last
        return self.sources.get(path[0]), last

    def _enum(self, source: Source, name: str) -> str:
        """`enums.X` is global; `Cls.X` and `module.Cls.X` are a resource's, which may well not define it."""
        if name.startswith("enums."):
            return name.removeprefix("enums.")
        owner, last = self._owner(source, name)
        if owner is None:
            raise SdkError(f"{source.name} names {name}, whose module is not there")
        return f"{owner.cls}.{last}"


def required(told: Field) -> dict[str, bool]:
    """The catalogue's mark, which stands only where it is true."""
    return {"required": True} if told.required else {}


def _container(
    source: Source, annotation: ast.Subscript, inner: Callable[[Source, ast.expr], dict[str, Any]]
) -> dict[str, Any]:
    match _dotted(annotation.value):
        case "Dict":
            return {"type": "json"}
        case "List":
            return {"type": "list", "items": inner(source, annotation.slice)}
        case name:
            raise SdkError(f"{source.name} has a type {name}[...], which is not known")


def _dotted(annotation: ast.expr) -> str:
    """`enums.Mode`, also where it is written as a string."""
    match annotation:
        case ast.Constant(value=str(name)):
            return name
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=owner, attr=name):
            return f"{_dotted(owner)}.{name}"
    raise SdkError(f"a type that is not known: {ast.unparse(annotation)}")
