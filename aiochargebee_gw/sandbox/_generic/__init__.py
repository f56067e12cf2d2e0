"""The long tail: operations that have no function of their own are answered from the catalogue's description."""

from __future__ import annotations

from collections.abc import Callable

from aiochargebee_gw.sandbox._catalogue import Operation
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import encode
from aiochargebee_gw.sandbox._messages import Call

Handler = Callable[[Desk, Call, str], bytes]
SITE = "sandbox"
"""The name of every site here, for clients that compare it with their own settings."""
_CATALOGS = {"pc1": ("v1", "plans_addons"), "pc2": ("v2", "items"), "both": ("v1", "compat")}


def find(method: str, path: str) -> tuple[Handler, str | None] | None:
    """The handler and the only Product Catalog of an operation; its id is ``*`` in *path*.

    Nothing of the description is read before the first such question.
    """
    from aiochargebee_gw.sandbox._generic.index import paths

    operation = paths().get((method, path))
    return None if operation is None else (_handler(operation), operation.catalog)


def configurations(desk: Desk, _call: Call, _id: str) -> bytes:
    """``GET /configurations``: the site's name and Product Catalog, by which clients choose what they ask for."""
    version, schema = _CATALOGS[desk.catalog]
    row = {
        "domain": SITE,
        "product_catalog_version": version,
        "chargebee_response_schema_type": schema,
        "object": "configuration",
    }
    return encode({"configurations": [row]})


def _handler(operation: Operation) -> Handler:
    from aiochargebee_gw.sandbox._generic.answers import answer
    from aiochargebee_gw.sandbox._generic.batches import answer_batch
    from aiochargebee_gw.sandbox._generic.lists import answer_list

    if operation.path == "/configurations":
        return configurations
    if not operation.listing:
        return lambda desk, call, id: encode(answer(desk, call, operation, id))
    if operation.method == "POST":
        return lambda desk, call, id: encode(answer_batch(desk, call, operation, id))
    return lambda desk, call, id: answer_list(desk, call, operation, id)
