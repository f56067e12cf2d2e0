"""Which product catalogue an operation belongs to, and which operation of the other one does the same.

Chargebee has two product catalogues: plans and addons (1.0), items and their prices (2.0). A site has one of them, and
refuses the other one's operations.
"""

from __future__ import annotations

import re
from typing import Any, cast

from .names import CatalogueError

__all__ = ["catalogs_of", "instead_of"]

_PC1 = frozenset(("addon", "plan"))
_PC2 = frozenset(("attached_item", "differential_price", "item", "item_family", "item_price", "price_variant"))
_OF_ITEMS = re.compile(r"(?:for|with)_items|charge_items?(?![a-z])")
_COUNTERPARTS = {"plan": "item_price", "addon": "item_price", "item_price": "plan"}

Rows = dict[str, dict[str, Any]]


def catalogs_of(resource: str, rows: Rows) -> dict[str, str | None]:
    """pc1, pc2 or None for each operation: by the resource, by a name that speaks of items, by having a twin that does,
    or by an override (`catalog`, empty for both)."""
    twins = {_without_items(row["path"]) for row in rows.values() if _OF_ITEMS.search(row["path"])}
    return {name: _catalog(resource, name, row, twins) for name, row in rows.items()}


def _catalog(resource: str, name: str, row: dict[str, Any], twins: set[str]) -> str | None:
    if "catalog" in row:
        return cast("str", row["catalog"]) or None
    if resource in _PC1:
        return "pc1"
    if resource in _PC2 or _OF_ITEMS.search(name) or _OF_ITEMS.search(row["path"]):
        return "pc2"
    return "pc1" if row["path"] in twins else None


def instead_of(
    documents: dict[str, dict[str, Any]], resource: str, name: str, catalogs: dict[str, str | None]
) -> tuple[str, str] | None:
    """Resource and operation of the other catalogue: the twin by its path, the same operation of the counterpart, or an
    override (`instead = "subscription.create_with_items"`)."""
    rows: Rows = documents[resource]["operations"]
    if told := rows[name].get("instead"):
        return _named(documents, told)
    if catalogs[name] is None:
        return None
    path = rows[name]["path"]
    for other, row in rows.items():
        if catalogs[other] not in (None, catalogs[name]) and path in (row["path"], _without_items(row["path"])):
            return resource, other
        if catalogs[other] not in (None, catalogs[name]) and row["path"] == _without_items(path):
            return resource, other
    counterpart = _COUNTERPARTS.get(resource)
    if counterpart in documents and name in documents[counterpart]["operations"]:
        return counterpart, name
    return None


def _named(documents: dict[str, dict[str, Any]], told: str) -> tuple[str, str]:
    resource, _, name = told.partition(".")
    if name not in documents.get(resource, {}).get("operations", {}):
        raise CatalogueError(f"instead: there is no operation {told}")
    return resource, name


def _without_items(path: str) -> str:
    return path.replace("_for_items", "")
