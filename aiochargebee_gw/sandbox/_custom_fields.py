"""The custom fields of the sandbox's sites, and how any ``cf_*`` name is filtered and read.

Live sites filter ``cf_*`` by the field's kind; a field that the sandbox does not define is taken as what the
operator or the value suggests, so that tests can bring their own.
"""

from __future__ import annotations

from aiochargebee_gw.sandbox import _values
from aiochargebee_gw.sandbox._filters import NATURAL, Field
from aiochargebee_gw.sandbox._problems import wrong_format

CUSTOM_FIELDS: dict[str, dict[str, str]] = {
    "customer": {
        "cf_region": "string",
        "cf_score": "number",
        "cf_newsletter": "boolean",
        "cf_contract_signed_at": "timestamp",
    },
    "subscription": {
        "cf_cost_center": "string",
        "cf_seats_used": "number",
        "cf_self_service": "boolean",
        "cf_onboarded_at": "timestamp",
    },
    "item_family": {"cf_team": "string"},
    "plan": {"cf_tier": "string", "cf_rank": "number"},
}
_GUESS = {
    **dict.fromkeys(("is", "is_not", "starts_with", "in", "not_in", "is_present"), "string"),
    # A timestamp is a whole number, too.
    **dict.fromkeys(("lt", "lte", "gt", "gte", "between"), "number"),
    **dict.fromkeys(("after", "before", "on"), "timestamp"),
}


# An undefined field may hold a number or a boolean: compare what the client wrote.
_AS_WRITTEN = (
    "CASE json_type(o.body, ?) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' "
    "ELSE CAST(json_extract(o.body, ?) AS TEXT) END"
)


def custom_field(kind: str, name: str, operator: str) -> Field | None:
    """How ``name[operator]`` filters; None for an operator that this kind of field does not have."""
    known = CUSTOM_FIELDS.get(kind, {}).get(name)
    type = known or _GUESS.get(operator)
    if type is None:
        return None
    path = f"$.{name}"
    if known is None and type == "string":
        return Field(type, NATURAL[type], _AS_WRITTEN, bound=(path, path))
    return Field(type, NATURAL[type], "json_extract(o.body, ?)", bound=(path,))


def read_custom(kind: str, name: str, text: str) -> object:
    """The value of a ``cf_*`` form parameter in the type of its field; raises ``Problem`` (400)."""
    convert = {"number": _values.integer, "boolean": _values.boolean, "timestamp": _values.timestamp}
    reader = convert.get(CUSTOM_FIELDS.get(kind, {}).get(name, "string"))
    try:
        return text if reader is None else reader(text)
    except ValueError as error:
        raise wrong_format(name, str(error)) from error
