"""Every operation of the generated resources."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import aiochargebee_gw.resources
from aiochargebee_gw._operation import ListOperation, Operation

__all__ = ["posts", "retrieves"]


def _all() -> list[Operation[Any] | ListOperation[Any, Any]]:
    found = []
    for module in pkgutil.iter_modules(aiochargebee_gw.resources.__path__):
        held = vars(importlib.import_module(f"{aiochargebee_gw.resources.__name__}.{module.name}")).values()
        found += [value for value in held if isinstance(value, Operation | ListOperation)]
    return found


def posts() -> list[Operation[Any] | ListOperation[Any, Any]]:
    return [operation for operation in _all() if operation.method == "POST"]


def retrieves() -> dict[str, Operation[Any] | ListOperation[Any, Any]]:
    """By resource."""
    return {operation.resource: operation for operation in _all() if operation.name == "retrieve"}
