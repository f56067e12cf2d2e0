"""From a catalogue row and arguments to what goes on the wire: pure, and refusing before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from ._operation import ListOperation, Operation
from ._wire.form import Pair, check_names, checked, encode, query_string
from ._wire.jsonbody import encode_json
from ._wire.url import API_PREFIX, fill
from .errors import RequestError
from .filters import Filter, FilterRule, Sort, check

__all__ = ["OPTIONS", "Draft", "draft", "draft_list", "split_options"]

OPTIONS = frozenset(("timeout", "retry", "headers", "idempotency_key"))
_MAX_LIMIT = 100
_FORM = "application/x-www-form-urlencoded; charset=utf-8"


@attrs.frozen(kw_only=True)
class Draft:
    """A request that still lacks its origin, its key and its options. `path` is below the gateway's `/chargebee`."""

    method: str
    path: str
    label: str
    query: tuple[Pair, ...] = attrs.field(default=(), repr=False)
    body: bytes | None = attrs.field(default=None, repr=False)
    content_type: str | None = None
    writes: bool = False
    keyed: bool = False
    named: str | None = attrs.field(default=None, repr=False)
    """The id, among the parameters, of the record that this creates."""

    @property
    def target(self) -> str:
        """Path and query."""
        return f"{self.path}?{query_string(self.query)}" if self.query else self.path


def split_options(given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The operation's own parameters, and the options that every call takes."""
    params = {name: value for name, value in given.items() if name not in OPTIONS}
    return params, {name: value for name, value in given.items() if name in OPTIONS}


def draft(operation: Operation[Any] | ListOperation[Any, Any], id: str | None, params: Mapping[str, Any]) -> Draft:
    """A single call. Raises `RequestError` for a bad id, an unknown or missing parameter, a value of a wrong kind."""
    try:
        return _draft(operation, id, params)
    except RequestError as error:
        error.operation = operation.label
        raise


def _draft(operation: Operation[Any] | ListOperation[Any, Any], id: str | None, params: Mapping[str, Any]) -> Draft:
    _check_reachable(operation)
    _check_required(operation, params)
    params = _with_custom(params) if operation.custom_fields else params
    if operation.method == "GET":
        # There is nothing to clear: None is a parameter that was left out.
        params = {name: value for name, value in params.items() if value is not None}
    path = API_PREFIX.rstrip("/") + fill(operation.path, id)
    if operation.json_body:
        body = encode_json(params, operation.params, custom_fields=operation.custom_fields)
        return _posted(operation, path, body, "application/json", params)
    filters, params = _split_filters(operation, params)
    pairs = encode(params, operation.params, custom_fields=operation.custom_fields) + _distinct(filters)
    if operation.method == "GET":
        return Draft(method="GET", path=path, label=operation.label, query=tuple(pairs))
    return _posted(operation, path, query_string(pairs).encode("ascii"), _FORM, params)


def _split_filters(
    operation: Operation[Any] | ListOperation[Any, Any], params: Mapping[str, Any]
) -> tuple[list[Filter], dict[str, Any]]:
    """Filters that are given as keywords (`/exports/*`), out of the other parameters, checked as any filter is."""
    own = dict(params)
    filters: list[Filter] = []
    for wire, rule in operation.filter_params.items():
        name, _, inner = wire.partition("[")
        if name not in own:
            continue
        holder = own[name]
        if inner:
            if not isinstance(holder, Mapping) or not holder:
                raise RequestError(f"{name}: expected an object of filters", field=name)
            check_names(holder, dict.fromkeys(_inner_names(operation, name)), within=name)
            if (own_name := inner.rstrip("]")) not in holder:
                continue
            holder = holder[own_name]
        filters += _keyword_filters(wire, rule, holder, operation.label)
    for wire in operation.filter_params:
        own.pop(wire.partition("[")[0], None)
    return filters, own


def _inner_names(operation: Operation[Any] | ListOperation[Any, Any], name: str) -> list[str]:
    return [wire.partition("[")[2].rstrip("]") for wire in operation.filter_params if wire.startswith(f"{name}[")]


def _keyword_filters(wire: str, rule: FilterRule, given: Any, label: str) -> list[Filter]:
    if not isinstance(given, Mapping) or not given:
        raise RequestError(f"{wire}: expected an object such as {{'is': ...}}", field=wire, legal=rule.operators)
    rules = {wire: rule}
    return [
        check(Filter(wire, operator, value, kind=rule.kind), "", rules, custom_fields=False, operation=label)
        for operator, value in given.items()
    ]


def _with_custom(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """Parameters with those of `custom_fields=` among them. A field given twice is refused."""
    own = dict(params)
    given = own.pop("custom_fields", None)
    if given is None:
        return own
    if not isinstance(given, Mapping):
        given = {name: value for name, value in _attributes(given).items() if value is not None}
    for name, value in given.items():
        if not name.startswith("cf_") or name in own:
            raise RequestError(f"custom_fields: {name!r} is no custom field, or is given twice", field=name, given=name)
        own[name] = value
    return own


def _attributes(given: Any) -> dict[str, Any]:
    if not attrs.has(type(given)):
        kind = type(given).__name__
        raise RequestError(
            f"custom_fields: expected a mapping or an instance of an attrs class, got {kind}",
            field="custom_fields",
            given=kind,
        )
    names = [field.name for field in attrs.fields(type(given)) if field.name.startswith("cf_")]
    return {name: getattr(given, name) for name in names}


def _posted(
    operation: Operation[Any] | ListOperation[Any, Any],
    path: str,
    body: bytes,
    content_type: str,
    params: Mapping[str, Any],
) -> Draft:
    return Draft(
        method="POST",
        path=path,
        label=operation.label,
        body=body,
        content_type=content_type,
        writes=operation.writes,
        keyed=operation.keyed,
        named=_name(params.get("id")) if operation.record_path else None,
    )


def _name(id: object) -> str | None:
    # For a blank one the server would choose another with each send.
    return id if isinstance(id, str) and id.strip() else None


def draft_list(
    operation: ListOperation[Any, Any],
    id: str | None,
    filters: Sequence[Filter],
    params: Mapping[str, Any],
) -> Draft:
    """A list's first page. `limit` and `sort_by` are always sent: the server's defaults are 10, and not promised."""
    try:
        return _draft_list(operation, id, filters, params)
    except RequestError as error:
        error.operation = operation.label
        raise


def _draft_list(
    operation: ListOperation[Any, Any], id: str | None, filters: Sequence[Filter], params: Mapping[str, Any]
) -> Draft:
    _check_reachable(operation)
    own = {name: value for name, value in params.items() if value is not None}
    order = own.pop("order_by", None)
    pairs = _page(own)
    _check_required(operation, own)
    pairs += encode(own, operation.params)
    _check_filtered(operation, filters)
    pairs += _distinct(_filter(operation, given) for given in filters)
    pairs += _order(operation, order)
    path = API_PREFIX.rstrip("/") + fill(operation.path, id)
    return Draft(method="GET", path=path, label=operation.label, query=tuple(pairs))


def _distinct(filters: Iterable[Filter]) -> list[Pair]:
    """The pairs of filters, each `field[operator]` once: the server would keep one of two."""
    pairs: dict[str, str] = {}
    for given in filters:
        key, value = given.pair
        if key in pairs:
            raise RequestError(f"the filter {key} is given twice", field=given.field, given=key)
        pairs[key] = value
    return list(pairs.items())


def _filter(operation: ListOperation[Any, Any], given: Filter) -> Filter:
    if not isinstance(given, Filter):
        raise RequestError(f"a filter was expected, got {type(given).__name__}", given=type(given).__name__)
    return check(
        given,
        operation.record.partition(".")[0],
        operation.filters,
        custom_fields=operation.custom_filters,
        operation=operation.label,
    )


def _check_filtered(operation: ListOperation[Any, Any], filters: Sequence[Filter]) -> None:
    given = {one.field for one in filters if isinstance(one, Filter)}
    for name in operation.required_filters:
        if name not in given:
            raise RequestError(f"this list needs a filter by {name}", field=name, legal=operation.required_filters)


def _page(own: dict[str, Any]) -> list[Pair]:
    """Takes limit and offset out of the parameters."""
    limit, offset = own.pop("limit", _MAX_LIMIT), own.pop("offset", None)
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= _MAX_LIMIT:
        raise RequestError(f"limit must be an integer from 1 to {_MAX_LIMIT}", field="limit", legal=("1..100",))
    if offset is not None and (not isinstance(offset, str) or not offset):
        raise RequestError("offset must be the next_offset of an earlier page", field="offset")
    return [("limit", str(limit)), *([("offset", checked("offset", offset))] if offset else [])]


def _order(operation: ListOperation[Any, Any], order: Any) -> list[Pair]:
    if order is None:
        return [("sort_by[asc]", operation.default_sort)] if operation.default_sort else []
    legal = operation.sorts
    resource = operation.record.partition(".")[0]
    if not isinstance(order, Sort) or order.field not in legal or order.resource not in (None, resource):
        shown = order.field if isinstance(order, Sort) else type(order).__name__
        raise RequestError(
            f"order_by: {_order_refused(order, resource, legal)}", field="order_by", given=shown, legal=legal
        )
    return [order.pair]


def _order_refused(order: Any, resource: str, legal: Sequence[str]) -> str:
    if not legal or isinstance(order, Sort):
        by = f" by {order.field}" if isinstance(order, Sort) else ""
        return f"this list cannot be sorted{by}; it has {', '.join(legal) or 'no order'}"
    named = order if isinstance(order, str) and order in legal else legal[0]
    return f"a field makes an order: fields.{resource}.{named}.asc() or .desc(); got {type(order).__name__}"


def _check_reachable(operation: Operation[Any] | ListOperation[Any, Any]) -> None:
    if operation.sub_domain:
        raise RequestError(
            f"this operation lives on {{site}}.{operation.sub_domain}.chargebee.com, which the gateway does not reach"
        )


def _check_required(operation: Operation[Any] | ListOperation[Any, Any], params: Mapping[str, Any]) -> None:
    for name in operation.required:
        if params.get(name) is None:
            raise RequestError(f"the parameter {name!r} is required", field=name, legal=operation.required)
