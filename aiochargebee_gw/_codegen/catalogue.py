"""Reads the catalogue's files and lays the overrides over them."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any

from attrs import frozen

from .names import CatalogueError

__all__ = ["Catalogue", "load"]


@frozen
class Catalogue:
    """The files as they are after the overrides. `digest` is that of the files and overrides before."""

    resources: dict[str, dict[str, Any]]
    enums: dict[str, list[str]]
    carried: tuple[str, ...]
    digest: str


def load(folder: Path, overrides: Path) -> Catalogue:
    """Read `*.json` of *folder* and the overrides. Raises `CatalogueError` for an override that hits nothing."""
    files = sorted(folder.glob("*.json"))
    texts = {file.stem: file.read_bytes() for file in files}
    rules = overrides.read_bytes()
    digest = hashlib.sha256()
    for name, text in texts.items():
        digest.update(name.encode() + b"\0" + text + b"\0")
    digest.update(rules)
    documents = {name: json.loads(text) for name, text in texts.items()}
    told = tomllib.loads(rules.decode())
    for patch in told.get("patch", ()):
        _apply(documents, patch)
    shared = documents.pop("_shared")
    carried = tuple(documents) if told["carried"] == "all" else tuple(sorted(told["carried"]))
    if unknown := set(carried) - documents.keys():
        raise CatalogueError(f"carried resources that the catalogue lacks: {', '.join(sorted(unknown))}")
    return Catalogue(documents, shared["enums"], carried, digest.hexdigest())


def _apply(documents: dict[str, Any], patch: dict[str, Any]) -> None:
    """Set one value at each of the places *at*; all but the last step of a place must exist."""
    if not str(patch.get("reason", "")).strip():
        raise CatalogueError(f"an override without a reason: {patch.get('at')}")
    places = [patch["at"]] if isinstance(patch["at"], str) else patch["at"]
    for place in places:
        *steps, last = place.split("/")
        found = documents
        for step in steps:
            if not isinstance(found, dict) or step not in found:
                raise CatalogueError(f"an override for what is not there: {place} (at {step!r})")
            found = found[step]
        if last in found and found[last] == patch["value"]:
            raise CatalogueError(f"an override that changes nothing any more: {place}")
        found[last] = patch["value"]
