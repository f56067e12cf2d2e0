"""The names under which a test gives rows: resources in the plural, as they stand in URLs."""

from __future__ import annotations

from collections.abc import Iterable

from aiochargebee_gw.sandbox._kinds import KINDS


def plural(kind: str) -> str:
    """``item_family`` gives ``item_families``."""
    if kind.endswith("y"):
        return f"{kind[:-1]}ies"
    return f"{kind}es" if kind.endswith("s") else f"{kind}s"


def in_order(names: Iterable[str]) -> dict[str, str]:
    """The kind behind each name, owners before what they own; raises ``ValueError`` for an unknown name."""
    kinds = {plural(kind): kind for kind in KINDS}
    wanted = set(names)
    if unknown := wanted - set(kinds):
        raise ValueError(f"the sandbox keeps no {min(unknown)!r}; it keeps {', '.join(sorted(kinds))}")
    return {name: kind for name, kind in kinds.items() if name in wanted}
