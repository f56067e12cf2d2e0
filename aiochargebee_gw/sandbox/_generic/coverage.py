"""What the sandbox imitates and what it does not, by resource, as Markdown made from its own routes."""

from __future__ import annotations

from collections.abc import Iterable

from aiochargebee_gw.sandbox._catalogue import Operation, describe

Key = tuple[str, str]


def table(own: Iterable[Key]) -> str:
    """The text for readers; *own* are verb and path (its id as ``*``) of all operations with functions of their own."""
    keys = set(own)
    groups: dict[str, list[Operation]] = {}
    for one in describe().operations:
        groups.setdefault(one.resource, []).append(one)
    lines = ["| resource | rules and state of its own | by description |", "|---|---|---|"]
    plain: list[str] = []
    for resource, operations in groups.items():
        meant = [one.name for one in operations if _key(one) in keys]
        here = [one for one in operations if one.host is None]
        if meant:
            lines.append(f"| {resource} | {', '.join(meant)} | {len(here) - len(meant) or ''} |")
        elif here:
            plain.append(f"{resource} ({len(here)})")
    away = [f"{one.resource}.{one.name}" for one in describe().operations if one.host is not None]
    described = sum(_key(one) not in keys and one.host is None for one in describe().operations)
    return "\n".join(
        [
            *lines,
            "",
            f"{described} operations are answered by description, among them all of: {', '.join(plain)}.",
            "",
            f"On hosts of their own, and 404 here: {', '.join(away)}.",
        ]
    )


def _key(operation: Operation) -> Key:
    return operation.method, operation.path.strip("/").replace("{id}", "*")
