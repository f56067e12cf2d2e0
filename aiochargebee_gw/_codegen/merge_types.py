"""The merge of types: of records' fields, of parameters and of answers' keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from attrs import field, frozen

from .changes import Changes, describe
from .guesses import enum_of, is_milliseconds, is_timestamp

__all__ = ["ANSWER_KEY", "FIELD", "PARAMETER", "PART_FIELD", "Role", "Tree", "Types"]

Tree: TypeAlias = dict[str, Any]


@frozen
class Role:
    """Where a type stands, and which of its keys the SDK tells there. `cls` is that of the record it is a field of."""

    what: str
    tells: frozenset[str]
    cls: str = ""


PARAMETER = Role("parameter", frozenset(("enum", "required")))
PART_FIELD = Role("field", frozenset(("enum", "required")))
FIELD = Role("field", frozenset())
ANSWER_KEY = Role("answer key", frozenset(("required",)))


@frozen
class Types:
    """One merge: every enum's values by its reference (`Gateway`, `Customer.CardStatus`) before and after it."""

    before: dict[str, list[str]]
    after: dict[str, list[str]]
    changes: Changes = field(factory=Changes)

    def named(
        self,
        what: str,
        where: str,
        old: Mapping[str, Any],
        new: Mapping[str, Any],
        both: Callable[[str, Any, Any], Any],
        fresh: Callable[[str, Any], Any],
    ) -> Tree:
        """Things by name: *both* merges what stays, *fresh* makes what is new. What stays keeps its place."""
        place = {name: f"{where}.{name}" if where else name for name in (*old, *new)}
        for name in old:
            if name not in new:
                self.changes.removed(what, place[name], describe(old[name]))
        made: Tree = {}
        for name in _in_order(old, new):
            if name in old:
                made[name] = both(place[name], old[name], new[name])
            else:
                self.changes.added(what, place[name], describe(new[name]))
                made[name] = fresh(place[name], new[name])
        return made

    def all(self, role: Role, where: str, old: Tree, new: Tree) -> Tree:
        """Types by name."""
        return self.named(
            role.what,
            where,
            old,
            new,
            lambda place, a, b: self.one(role, place, a, b),
            lambda place, told: self.fresh(role, place, told),
        )

    def one(self, role: Role, place: str, old: Tree, new: Tree) -> Tree:
        """A type that stays. Of another kind it is the SDK's, and what was known of it is lost but for `required`."""
        if not _of_one_kind(old, new):
            self.changes.changed(f"type of {role.what}", place, describe(old), describe(new))
            kept = {key: old[key] for key in ("required",) if key in old and key not in role.tells}
            return self.fresh(role, place, new) | kept
        made = self._marked(role, place, old, new)
        if "fields" in new:
            made["fields"] = self.all(role, place, old["fields"], new["fields"])
        if "items" in new:
            made["items"] = self.one(role, f"{place}[]", old["items"], new["items"])
        return self._without_lost_values(role, place, made)

    def _marked(self, role: Role, place: str, old: Tree, new: Tree) -> Tree:
        made = dict(old)
        for key in sorted(role.tells):
            if old.get(key) == new.get(key):
                continue
            self.changes.changed(f"{key} of {role.what}", place, old.get(key, "none"), new.get(key, "none"))
            made = {each: value for each, value in made.items() if each not in (key, *_ABOUT.get(key, ()))}
            made |= {key: new[key]} if key in new else {}
        return made

    def _without_lost_values(self, role: Role, place: str, told: Tree) -> Tree:
        """The values listed beside an enum's name follow the enum; the name of an enum that is gone goes, too."""
        reference = told.get("enum") or told.get("items", {}).get("enum", "")
        if reference in self.before and reference not in self.after and "enum" not in role.tells:
            self.changes.removed(f"enum of {role.what}", place, reference)
            left = {key: value for key, value in told.items() if key not in ("enum", "values")}
            return left | self._guessed_enum(role, place, left)
        return self.followed(told, reference)

    def followed(self, told: Tree, reference: str) -> Tree:
        """A list that was the whole enum stays so. A shorter or longer one loses what the enum lost, and gains nothing:
        whether a new value goes there is not known."""
        before, after = self.before.get(reference), self.after.get(reference)
        if "values" not in told or before is None or after is None or set(before) == set(after):
            return told
        lost = set(before) - set(after)
        values = (
            after if set(told["values"]) == set(before) else [value for value in told["values"] if value not in lost]
        )
        return told | {"values": list(values)}

    def fresh_all(self, role: Role, where: str, new: Tree) -> Tree:
        """New types by name."""
        return {name: self.fresh(role, f"{where}.{name}", told) for name, told in new.items()}

    def fresh(self, role: Role, place: str, new: Tree) -> Tree:
        """A new type: the SDK's, with guesses."""
        made = new | self._guessed_time(role, place, new) | self._guessed_enum(role, place, new)
        if "fields" in new:
            made["fields"] = self.fresh_all(role, place, new["fields"])
        if "items" in new:
            made["items"] = self.fresh(role, f"{place}[]", new["items"])
        return made

    def _guessed_time(self, role: Role, place: str, told: Tree) -> Tree:
        name = place.rpartition(".")[2]
        if told["type"] == "int" and is_timestamp(name):
            self.changes.guessed(role.what, place, "a timestamp, by its name")
            return {"type": "timestamp"}
        if told["type"] == "int" and is_milliseconds(name):
            self.changes.guessed(role.what, place, "in milliseconds, by its name")
            return {"unit": "milliseconds"}
        return {}

    def _guessed_enum(self, role: Role, place: str, told: Tree) -> Tree:
        guess = enum_of(role.cls, place.rpartition(".")[2], self.after) if role.cls and told["type"] == "str" else None
        if guess is None:
            return {}
        self.changes.guessed(role.what, place, f"of the enum {guess}, by its name")
        return {"enum": guess}


_ABOUT = {"enum": ("values",)}
"""What is said of a key's value and goes with it."""


def _of_one_kind(old: Tree, new: Tree) -> bool:
    """Whether two types are the same as far as the SDK can tell, to which a timestamp is an integer."""
    kinds = ["int" if told["type"] == "timestamp" else told["type"] for told in (old, new)]
    return kinds[0] == kinds[1] and all(old.get(key) == new.get(key) for key in ("filter", "ref"))


def _in_order(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """The names of *new*: those of *old* as they stood there, each other one after its neighbour in *new*."""
    names = [name for name in old if name in new]
    place = 0
    for name in new:
        if name not in old:
            names.insert(place, name)
        place = names.index(name) + 1
    return iter(names)
