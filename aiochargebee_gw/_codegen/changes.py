"""What a refresh changes, as values and as lines to read."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from attrs import field, frozen

__all__ = ["Change", "Changes", "describe"]

Deed: TypeAlias = Literal["added", "removed", "changed", "guessed"]


@frozen
class Change:
    """One line: "changed path of operation alert.update: /alerts -> /alerts/{id}"."""

    deed: Deed
    what: str
    where: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.deed} {self.what} {self.where}" + (f": {self.detail}" if self.detail else "")


@frozen
class Changes:
    """The changes so far, in the order in which they were met."""

    found: list[Change] = field(factory=list)

    def added(self, what: str, where: str, detail: str = "") -> None:
        self.found.append(Change("added", what, where, detail))

    def removed(self, what: str, where: str, detail: str = "") -> None:
        self.found.append(Change("removed", what, where, detail))

    def changed(self, what: str, where: str, before: object, after: object) -> None:
        self.found.append(Change("changed", what, where, f"{before} -> {after}"))

    def guessed(self, what: str, where: str, detail: str) -> None:
        self.found.append(Change("guessed", what, where, detail))


def describe(told: Any) -> str:
    """A type of the catalogue in a few words: "list of enum PaymentMethod", "required timestamp". "" for no type."""
    if not isinstance(told, dict) or "type" not in told:
        return ""
    words = {
        "list": lambda: f"list of {describe(told['items'])}",
        "object": lambda: f"object {told['ref']}" if "ref" in told else "object",
        "filter": lambda: f"{told['filter']} filter",
    }
    kind = words[told["type"]]() if told["type"] in words else told["type"]
    enum = f" {told['enum']}" if "enum" in told else ""
    return ("required " if told.get("required") else "") + kind + enum
