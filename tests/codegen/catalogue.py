"""The catalogue as tests read it: straight from its files, without the generator's own reading."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import aiochargebee_gw

PACKAGE = Path(aiochargebee_gw.__file__).parent
FOLDER = PACKAGE / "_codegen" / "catalogue"
OVERRIDES = PACKAGE / "_codegen" / "overrides.toml"


@cache
def documents() -> dict[str, dict[str, Any]]:
    """All resources of the catalogue by name, before the overrides."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("[a-z]*.json"))}


@cache
def shared() -> dict[str, Any]:
    """The global enums and the operators of each kind of filter."""
    told: dict[str, Any] = json.loads((FOLDER / "_shared.json").read_text())
    return told


@cache
def overrides() -> dict[str, Any]:
    """The overrides."""
    return tomllib.loads(OVERRIDES.read_text())


def carried() -> tuple[str, ...]:
    """The resources that are written whole."""
    told = overrides()["carried"]
    return tuple(documents()) if told == "all" else tuple(sorted(told))


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Resource, name and row of each carried operation."""
    for resource in carried():
        for name, row in documents()[resource]["operations"].items():
            yield resource, name, row


def camel(name: str) -> str:
    """`billing_address` as `BillingAddress`."""
    return "".join(part.capitalize() if part.islower() else part for part in name.split("_"))
