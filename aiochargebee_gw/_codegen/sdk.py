"""What the installed official SDK says, in the catalogue's structure."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
from pathlib import Path
from typing import Any

from attrs import frozen

from .sdk_operations import operations
from .sdk_source import SdkError, Source, read_enums, read_source, read_tree
from .sdk_types import SdkTypes

__all__ = ["Extraction", "SdkError", "extract", "installed"]

DISTRIBUTION = "chargebee"


@frozen
class Extraction:
    """The catalogue as far as the SDK knows it, in the SDK's order."""

    version: str
    resources: dict[str, dict[str, Any]]
    enums: dict[str, list[str]]
    operators: dict[str, list[str]]


def installed() -> tuple[Path, str]:
    """The folder and the version of the installed SDK, which is not imported. Raises `SdkError` without one."""
    missing = f"the official SDK is not installed; install {DISTRIBUTION} (dependency group bench)"
    try:
        version = importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError as error:
        raise SdkError(missing) from error
    spec = importlib.util.find_spec(DISTRIBUTION)
    if spec is None or spec.origin is None:
        raise SdkError(missing)
    return Path(spec.origin).parent, version


def extract(package: Path, version: str) -> Extraction:
    """Read the SDK in the folder *package*. Raises `SdkError` for what this reader does not understand."""
    folders = sorted(file.parent for file in package.glob("models/*/operations.py"))
    if not folders:
        raise SdkError("the SDK has no models/*/operations.py")
    types = SdkTypes({folder.name: read_source(folder) for folder in folders})
    resources = {name: _document(types, source) for name, source in types.sources.items()}
    if not any(document["operations"] for document in resources.values()):
        raise SdkError("the SDK has no method that sends anything: this reader does not know its shape")
    return Extraction(
        version=version,
        resources=resources,
        enums=read_enums(package / "models/enums.py"),
        operators=_operators(package / "filters/filters.py"),
    )


def _document(types: SdkTypes, source: Source) -> dict[str, Any]:
    main = f"{source.cls}Response"
    if main not in source.models:
        raise SdkError(f"{source.name} defines no {main}")
    return {
        "class": source.cls,
        "fields": types.attributes(source, main),
        "sub_resources": {
            name.removesuffix("Response"): types.attributes(source, name) for name in source.models if name != main
        },
        "enums": source.enums,
        "operations": operations(types, source),
    }


def _operators(path: Path) -> dict[str, list[str]]:
    """`{"string": ["is", "is_not", ...], ...}` from the keys of `StringFilter` and its like."""
    return {
        made.name.removesuffix("Filter").lower(): [
            line.target.id.lower()
            for line in made.body
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
        ]
        for made in ast.walk(read_tree(path))
        if isinstance(made, ast.ClassDef) and made.name != "Filters"
    }
