"""Lays what the SDK says over the committed catalogue: a pure function.

The SDK decides what there is, its types, and what it alone knows. The rest is knowledge from other sources (operators,
sorts, limits, defaults, formats, timestamps, what records require, custom fields): it stays for as long as that which
it is about stays and is of the same type, and goes with it. What is new gets what the SDK says, and guesses by name.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve, frozen

from .changes import Change
from .merge_types import ANSWER_KEY, FIELD, PARAMETER, PART_FIELD, Tree, Types
from .sdk import Extraction
from .sdk_operations import derived

__all__ = ["SHARED", "Merged", "merge"]

SHARED = "_shared"

_TOLD_OF_OPERATIONS = {
    "http": "method",
    "path": "path",
    "list": "list mark",
    "list_request": "list request mark",
    "params_required": "must-have-parameters mark",
    "idempotent": "idempotency mark",
    "sub_domain": "sub-domain",
    "json_body": "JSON body mark",
    "json_keys": "JSON keys",
    "telemetry": "telemetry names",
    "next_offset": "next_offset mark",
}
_OF_LISTS = ("rows", "next_offset", "filters", "sort_by", "envelope", "include_deleted", "custom_field_filters")


@frozen
class Merged:
    """The catalogue's files by name, `_shared` among them, and how they differ from before."""

    documents: dict[str, Tree]
    changes: tuple[Change, ...]


def merge(committed: Mapping[str, Tree], extraction: Extraction) -> Merged:
    """*committed* has the catalogue's files by name. Neither argument is changed."""
    before = {name: document for name, document in committed.items() if name != SHARED}
    shared = committed[SHARED]
    run = _Run(Types(_enums(before, shared["enums"]), _enums(extraction.resources, extraction.enums)), before)
    documents = {SHARED: run.shared(shared, extraction)}
    documents |= run.types.named("resource", "", before, extraction.resources, run.document, run.new_document)
    for name in _unsaid(before, documents, run.types.changes.found):
        run.types.changes.changed("lists of values in", name, "as they were", "as the enums now are")
    return Merged(documents, tuple(run.types.changes.found))


def _unsaid(before: Mapping[str, Tree], after: Mapping[str, Tree], changes: list[Change]) -> list[str]:
    """Files that differ though no change names them: what they say follows from a change elsewhere."""
    said = {change.where.partition(".")[0] for change in changes}
    return [name for name in before if name in after and before[name] != after[name] and name not in said]


def _enums(documents: Mapping[str, Tree], shared: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Every definition by its reference."""
    own = ((f"{told['class']}.{name}", values) for told in documents.values() for name, values in told["enums"].items())
    return {**shared, **dict(own)}


@frozen
class _Run:
    """The merge of types, and the committed resources, which say what filters are named after."""

    types: Types
    documents: Mapping[str, Tree]

    def shared(self, old: Tree, extraction: Extraction) -> Tree:
        if old["version"] != extraction.version:
            self.types.changes.changed("version", "of the SDK", old["version"], extraction.version)
        return old | {
            "version": extraction.version,
            "filter_operators": self.value_lists("filter kind", "", old["filter_operators"], extraction.operators),
            "enums": self.value_lists("global enum", "", old["enums"], extraction.enums),
        }

    def value_lists(self, what: str, where: str, old: Tree, new: Tree) -> Tree:
        """Enums by name. The order of their values alone is no change."""

        def both(place: str, one: list[str], other: list[str]) -> list[str]:
            for value in one:
                if value not in other:
                    self.types.changes.removed(f"value of {what}", place, repr(value))
            for value in other:
                if value not in one:
                    self.types.changes.added(f"value of {what}", place, repr(value))
            return list(one if set(one) == set(other) else other)

        return self.types.named(what, where, old, new, both, lambda place, told: list(told))

    def document(self, name: str, old: Tree, new: Tree) -> Tree:
        if old["class"] != new["class"]:
            self.types.changes.changed("class of resource", name, old["class"], new["class"])
        return old | {
            "class": new["class"],
            "fields": self.types.all(evolve(FIELD, cls=new["class"]), name, old["fields"], new["fields"]),
            "sub_resources": self.types.named(
                "part",
                name,
                old["sub_resources"],
                new["sub_resources"],
                lambda place, a, b: self.types.all(PART_FIELD, place, a, b),
                self.new_part,
            ),
            "enums": self.value_lists("enum", name, old["enums"], new["enums"]),
            "operations": self.types.named(
                "operation",
                name,
                self.renamed(name, old["operations"], new["operations"]),
                new["operations"],
                self.operation,
                self.new_operation,
            ),
        }

    def renamed(self, where: str, old: Tree, new: Tree) -> Tree:
        """The committed operations by their new names: a call stays the same as long as its method and path do."""
        calls = {(told["http"], told["path"]): name for name, told in new.items() if name not in old}
        names = {name: calls.get((told["http"], told["path"]), name) for name, told in old.items() if name not in new}
        for name, other in names.items():
            if name != other:
                self.types.changes.changed("name of operation", f"{where}.{other}", name, other)
        return {names.get(name, name): told for name, told in old.items()}

    def new_document(self, name: str, new: Tree) -> Tree:
        parts, operations = new["sub_resources"], new["operations"]
        return new | {
            "fields": self.types.fresh_all(evolve(FIELD, cls=new["class"]), name, new["fields"]),
            "sub_resources": {part: self.new_part(f"{name}.{part}", told) for part, told in parts.items()},
            "operations": {each: self.new_operation(f"{name}.{each}", told) for each, told in operations.items()},
        }

    def new_part(self, place: str, new: Tree) -> Tree:
        return self.types.fresh_all(PART_FIELD, place, new)

    def operation(self, place: str, old: Tree, new: Tree) -> Tree:
        made = {key: value for key, value in old.items() if key in new or key not in ("response", *_OF_LISTS)}
        for key, what in _TOLD_OF_OPERATIONS.items():
            if old.get(key) != new.get(key):
                self.types.changes.changed(f"{what} of operation", place, old.get(key), new.get(key))
            made |= {key: new[key]} if key in new else {}
        made["params"] = self.types.all(PARAMETER, place, old["params"], new["params"])
        answer = "rows" if "rows" in new else "response"
        keys = old.get("rows") or old.get("response") or {}
        made[answer] = self.types.all(ANSWER_KEY, place, keys, new[answer])
        return self.finished(made, old.get("custom_field_filters", False))

    def new_operation(self, place: str, new: Tree) -> Tree:
        answer = "rows" if "rows" in new else "response"
        made = new | {
            "params": self.types.fresh_all(PARAMETER, place, new["params"]),
            answer: self.types.fresh_all(ANSWER_KEY, place, new[answer]),
        }
        return self.finished(made, custom_field_filters=False)

    def finished(self, made: Tree, custom_field_filters: bool) -> Tree:
        """A list says more: some of it a second time, and whether it is filtered by custom fields."""
        if "rows" not in made:
            return made
        made["params"] = self.followed(made)
        return made | derived(made) | {"custom_field_filters": custom_field_filters}

    def followed(self, operation: Tree) -> Tree:
        """The parameters of a list, where the values of a filter follow the enum of the attribute it is named after."""
        reference = next((told.get("ref", "") for told in operation["rows"].values()), "")
        fields = self.documents.get(reference.partition(".")[0], {}).get("fields", {})
        return {
            name: self.types.followed(told, fields.get(name, {}).get("enum", "")) if told["type"] == "filter" else told
            for name, told in operation["params"].items()
        }
