"""Which enum classes there are, where each is at home, and which one a reference means."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import evolve

from .model import Enum
from .names import CatalogueError, camel, prefixed

__all__ = ["GLOBAL", "Enums"]

GLOBAL = "enums"


class Enums:
    """The registry. A reference is `AutoCollection` (global) or `Customer.CardStatus` (of a resource)."""

    def __init__(self, resources: dict[str, dict[str, Any]], shared: dict[str, list[str]]) -> None:
        found: dict[str, list[tuple[str, Enum]]] = {}
        for name, values in shared.items():
            found.setdefault(name, []).append((name, Enum(name, GLOBAL, tuple(values))))
        shared_by_use = _used_elsewhere(resources)
        for resource, document in resources.items():
            for reference, made in _own(resource, document):
                if reference in shared_by_use:
                    made = evolve(made, home=GLOBAL)
                found.setdefault(made.name, []).append((reference, made))
        self._by_reference: dict[str, Enum] = {}
        for name, owners in found.items():
            home = _home(name, [made for _, made in owners], resources)
            for reference, _ in owners:
                self._by_reference[reference] = home

    def __iter__(self) -> Iterator[Enum]:
        return iter(dict.fromkeys(self._by_reference.values()))

    def find(self, reference: str) -> Enum:
        """The class that the catalogue means. Raises `CatalogueError` for a name that nothing defines."""
        try:
            return self._by_reference[reference]
        except KeyError:
            raise CatalogueError(f"no enum is called {reference}") from None

    def inline(self, cls: str, field: str) -> Enum:
        """The class of an attribute that lists values without naming an enum."""
        return self.find(f"{cls}#{field}")


def _used_elsewhere(resources: dict[str, dict[str, Any]]) -> set[str]:
    """Enums of one resource that records of another refer to: these would import each other for a name."""
    return {
        field["enum"]
        for document in resources.values()
        for fields in (document["fields"], *document["sub_resources"].values())
        for field in fields.values()
        if "." in field.get("enum", "") and not field["enum"].startswith(document["class"] + ".")
    }


def _own(resource: str, document: dict[str, Any]) -> Iterator[tuple[str, Enum]]:
    cls = document["class"]
    renamed = document.get("enum_names", {})
    listed: dict[str, list[str]] = {}
    for fields in (document["fields"], *document["sub_resources"].values()):
        for field in fields.values():
            listed.setdefault(field.get("enum", ""), []).extend(field.get("values", ()))
    for name, values in document["enums"].items():
        reference = f"{cls}.{name}"
        known = tuple(dict.fromkeys([*values, *listed.get(reference, ())]))
        yield reference, Enum(renamed.get(name) or prefixed(cls, name), resource, known)
    for owner, fields in ((cls, document["fields"]), *document["sub_resources"].items()):
        owner = prefixed(cls, owner)
        for name, field in fields.items():
            if field.get("values") and not field.get("enum"):
                yield f"{owner}#{name}", Enum(owner + camel(name), resource, tuple(field["values"]))


def _home(name: str, owners: list[Enum], resources: dict[str, dict[str, Any]]) -> Enum:
    """One class of that name: the global one, else that of the resource with the longest name (its own status)."""
    if len({frozenset(owner.values) for owner in owners}) > 1:
        homes = ", ".join(owner.home for owner in owners)
        raise CatalogueError(f"two different enums are called {name} (in {homes}); rename one by enum_names")
    return max(owners, key=lambda owner: (owner.home == GLOBAL, len(resources.get(owner.home, {}).get("class", ""))))
