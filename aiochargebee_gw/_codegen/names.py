"""Names of classes, enum members and resources. Every rule is here, none depends on the order of anything."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable

__all__ = ["CatalogueError", "camel", "member_names", "plural", "prefixed", "singular"]


class CatalogueError(Exception):
    """The catalogue or its overrides say something that cannot be written as Python, or the same thing twice."""


def camel(name: str) -> str:
    """`billing_address` as `BillingAddress`."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def prefixed(prefix: str, name: str) -> str:
    """A class's name after its resource's, not said twice: Subscription + SubscriptionItem is SubscriptionItem."""
    return name if name.startswith(prefix) else prefix + name


def singular(name: str) -> str:
    """The word for one of a list's items: `tiers` is `tier`, `line_item_addresses` is `line_item_address`."""
    if name.endswith("ies"):
        return name[:-3] + "y"
    if name.endswith(("sses", "xes")):
        return name[:-2]
    return name[:-1] if name.endswith("s") and not name.endswith(("ss", "us")) else name


def plural(resource: str, paths: Iterable[str]) -> str:
    """The resource's own plural as it stands in any path of its operations, else its own name."""
    segments = {segment for path in paths for segment in path.split("/")}
    stem = [resource[:-1] + "ies"] if resource.endswith("y") else []
    for candidate in (resource + "s", *stem, resource + "es"):
        if candidate in segments:
            return candidate
    return resource


def member_names(values: Iterable[str]) -> dict[str, str]:
    """Enum member by value: upper case, `_` for what no identifier holds and before a digit, `_2` for a namesake."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for value in values:
        name = re.sub(r"\W", "_", value, flags=re.ASCII).upper() or "EMPTY"
        if name[0].isdigit() or keyword.iskeyword(name):
            name = "_" + name
        if name.startswith("_") and name.endswith("_"):  # enum keeps such names to itself
            name = "V" + name
        number, unique = 2, name
        while unique in taken:
            unique, number = f"{name}_{number}", number + 1
        taken.add(unique)
        names[value] = unique
    return names
