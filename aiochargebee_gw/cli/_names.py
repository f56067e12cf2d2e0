"""Resources and their lists by name, refused before a key is looked for or a request is made."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import RequestError
from ..filters import Filter, Sort

if TYPE_CHECKING:
    from ..gateway import Gateway
    from ..pagination import Pages
    from ._options import Selection

__all__ = ["check_selection", "list_names", "listing", "resource", "resource_names", "unsent"]


def resource_names() -> list[str]:
    """The resources, without loading one."""
    from ..resources import Resources

    return sorted(name for name, value in vars(Resources).items() if isinstance(value, property))


def resource(gw: Gateway, name: str) -> Any:
    """A resource by its plural. Raises `RequestError` with what may have been meant."""
    name = name.replace("-", "_")
    legal = resource_names()
    if name not in legal:
        raise _unknown("resource", name, legal)
    return getattr(gw, name)


def list_names(found: object) -> list[str]:
    """The lists that a resource has: methods that send nothing before they are awaited."""
    methods = inspect.getmembers(type(found), inspect.isfunction)
    return [name for name, method in methods if not name.startswith("_") and not inspect.iscoroutinefunction(method)]


def listing(gw: Gateway, name: str, chosen: Selection, *, limit: int = 100) -> Pages[Any, Any]:
    """The list that the options describe, *limit* rows a page. Raises `RequestError`."""
    found = resource(gw, name)
    legal = list_names(found)
    if not legal:
        raise RequestError(f"{name} cannot be listed; see get and call", field="resource", given=name)
    own = legal[0] if len(legal) == 1 else "list"
    wanted = own if chosen.operation is None else chosen.operation.replace("-", "_")
    if wanted not in legal:
        raise _unknown(f"list of {name}", wanted, legal)
    method = getattr(found, wanted)
    takes_id = "id" in inspect.signature(method).parameters
    if takes_id != (chosen.id is not None):
        raise RequestError(f"{wanted} of {name} {'needs' if takes_id else 'takes no'} --id", field="id")
    options: dict[str, Any] = {"limit": limit}
    if chosen.order_by is not None:
        options["order_by"] = _sort(chosen.order_by)
    if chosen.include_deleted:
        options["include_deleted"] = True
    filters = [Filter.parse(text) for text in chosen.where or ()]
    if not filters and "required" in inspect.signature(method).parameters:
        raise RequestError(f"{wanted} of {name} needs a filter: --where subscription_id[is]=ID", field="where")
    pages: Pages[Any, Any] = method(*([chosen.id] if takes_id else []), *filters, **options)
    return pages


def check_selection(name: str, chosen: Selection) -> None:
    """Refuse what `listing` would refuse, with no key and nothing started."""
    listing(unsent(), name, chosen)


def unsent() -> Gateway:
    """A gateway that sends nothing: whatever is refused before a request is refused by it, too."""
    from ..gateway import Gateway
    from ..settings import Settings
    from ..transport.memory import MemoryTransport

    nowhere = Settings(gateway_url="http://127.0.0.1", control_url="http://127.0.0.1")
    return Gateway("sandbox_unsent", settings=nowhere, transport=MemoryTransport(_refuse))


async def _refuse(request: object) -> NoReturn:
    raise AssertionError("nothing is sent from here")


def _sort(text: str) -> Sort:
    field, _, direction = text.partition(":")
    if direction not in ("", "asc", "desc"):
        raise RequestError("--order-by takes a field, field:asc or field:desc", field="order_by", legal=("asc", "desc"))
    return Sort(field, "desc" if direction == "desc" else "asc")


def _unknown(what: str, given: str, legal: Sequence[str]) -> RequestError:
    close = [name for name in legal if name.startswith(given)] or difflib.get_close_matches(given, legal, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(legal) or 'none'}"
    return RequestError(f"no {what} {given!r}; {hint}", field=what, given=given, legal=tuple(legal))
