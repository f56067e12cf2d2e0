"""Coupons, coupon sets and coupon codes: https://apidocs.chargebee.com/docs/api/coupons."""

from __future__ import annotations

from aiochargebee_gw.sandbox._calls.offers import check_new
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject, without_nulls
from aiochargebee_gw.sandbox._messages import Call
from aiochargebee_gw.sandbox._problems import duplicate, missing, not_found, wrong_state, wrong_value

_USED = "EXISTS (SELECT 1 FROM json_each(o.body, '$.coupons') AS e WHERE json_extract(e.value, '$.coupon_id') = ?)"
_NEEDED = {
    "percentage": "discount_percentage",
    "fixed_amount": "discount_amount",
    "offer_quantity": "discount_quantity",
}


def create(desk: Desk, call: Call, _id: str) -> JsonObject:
    """``POST /coupons`` (1.0)."""
    params = without_nulls(desk.form(call, "coupon.create"))
    params["apply_discount_on"] = "not_applicable" if params["apply_on"] == "invoice_amount" else "plans"
    return _create(desk, params)


def create_for_items(desk: Desk, call: Call, _id: str) -> JsonObject:
    """``POST /coupons/create_for_items`` (2.0)."""
    params = without_nulls(desk.form(call, "coupon.create_for_items"))
    return _create(desk, params | {"apply_discount_on": "not_applicable"})


def _create(desk: Desk, params: JsonObject) -> JsonObject:
    params.setdefault("discount_type", "percentage")
    params.setdefault("duration_type", "forever")
    _check(params)
    check_new(desk, "coupon", params)
    if params["discount_type"] != "percentage":
        params["discount_percentage"] = None
    if params["discount_type"] == "fixed_amount":
        params.setdefault("currency_code", "USD")
    made = desk.create("coupon", _dressed(params))
    desk.emit("coupon_created", {"coupon": made})
    return {"coupon": made}


def _check(params: JsonObject) -> None:
    needed = _NEEDED[params["discount_type"]]
    if params.get(needed) is None:
        raise missing(needed)
    if params["duration_type"] == "limited_period" and not (params.get("period") or params.get("duration_month")):
        raise missing("period")


def _dressed(params: JsonObject) -> JsonObject:
    """Kept only what the coupon shows; nested objects say what they are."""
    if params.get("apply_on") not in ("invoice_amount", "each_specified_item"):
        params["apply_on"] = "each_specified_item"
    for name, kind in (
        ("item_constraints", "item_constraint"),
        ("item_constraint_criteria", "item_constraint_criteria"),
        ("coupon_constraints", "coupon_constraint"),
    ):
        if params.get(name):
            params[name] = [{**without_nulls(row), "object": kind} for row in params[name]]
    return params


def update(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /coupons/{id}`` (1.0)."""
    return _update(desk, id, desk.form(call, "coupon.update"))


def update_for_items(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /coupons/{id}/update_for_items`` (2.0)."""
    return _update(desk, id, desk.form(call, "coupon.update_for_items"))


def _update(desk: Desk, id: str, params: JsonObject) -> JsonObject:
    """Once it was redeemed, what it is worth stands."""
    value = _live(desk, id)
    fixed = ("discount_type", "discount_amount", "discount_percentage", "duration_type", "apply_on")
    if value.get("redemptions", 0) and any(name in params and params[name] != value.get(name) for name in fixed):
        raise wrong_state(f"The coupon {id} was redeemed: only its name and limits can be changed.")
    changed = without_nulls({**value, **params, "name": params.get("name") or value["name"]})
    _check(changed)
    saved = desk.save("coupon", _dressed(changed))
    desk.emit("coupon_updated", {"coupon": saved})
    return {"coupon": saved}


def _live(desk: Desk, id: str) -> JsonObject:
    return desk.find("coupon", id)


def retrieve(desk: Desk, _call: Call, id: str) -> JsonObject:
    """``GET /coupons/{id}``."""
    return {"coupon": _live(desk, id)}


def delete(desk: Desk, _call: Call, id: str) -> JsonObject:
    """``POST /coupons/{id}/delete``: one that a subscription has is archived instead."""
    value = _live(desk, id)
    if desk.store.matching("subscription", _USED, (id,)):
        saved = desk.save("coupon", {**value, "status": "archived", "archived_at": desk.at()})
        desk.emit("coupon_updated", {"coupon": saved})
        return {"coupon": saved}
    saved = desk.save("coupon", {**value, "status": "deleted", "deleted": True})
    desk.emit("coupon_deleted", {"coupon": saved})
    return {"coupon": saved}


def unarchive(desk: Desk, _call: Call, id: str) -> JsonObject:
    """``POST /coupons/{id}/unarchive``."""
    value = _live(desk, id)
    if value["status"] != "archived":
        raise wrong_state(f"The coupon {id} is not archived.")
    saved = desk.save("coupon", {**value, "status": "active", "archived_at": None})
    desk.emit("coupon_updated", {"coupon": saved})
    return {"coupon": saved}


def create_set(desk: Desk, call: Call, _id: str) -> JsonObject:
    """``POST /coupon_sets``."""
    params = without_nulls(desk.form(call, "coupon_set.create"))
    desk.find("coupon", params["coupon_id"], param="coupon_id")
    check_new(desk, "coupon_set", params)
    counts = {"total_count": 0, "redeemed_count": 0, "archived_count": 0}
    made = desk.create("coupon_set", {**params, **counts})
    return _told(desk, "coupon_set_created", made)


def add_codes(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /coupon_sets/{id}/add_coupon_codes``: all of them or, where one is taken, none."""
    value = desk.find("coupon_set", id)
    params = desk.form(call, "coupon_set.add_coupon_codes")
    codes = [code for code in params.get("code") or () if code]
    if not codes:
        raise missing("code[0]")
    for index, code in enumerate(codes):
        if desk.store.text("coupon_code", code) is not None or code in codes[:index]:
            raise duplicate(f"code[{index}]", code)
        _code(desk, value, code)
    return _told(desk, "coupon_codes_added", _counted(desk, value, len(codes)))


def create_code(desk: Desk, call: Call, _id: str) -> JsonObject:
    """``POST /coupon_codes``: into the set of that name, which is made where it is not there."""
    params = desk.form(call, "coupon_code.create")
    desk.find("coupon", params["coupon_id"], param="coupon_id")
    if desk.store.text("coupon_code", params["code"]) is not None:
        raise duplicate("code", params["code"])
    name = params["coupon_set_name"]
    found = desk.store.matching("coupon_set", "json_extract(o.body, '$.name') = ?", (name,))
    counts = {"total_count": 0, "redeemed_count": 0, "archived_count": 0}
    value = found[0] if found else desk.create("coupon_set", {"name": name, "coupon_id": params["coupon_id"], **counts})
    if value["coupon_id"] != params["coupon_id"]:
        raise wrong_value("coupon_set_name", "belongs to another coupon")
    made = _code(desk, value, params["code"])
    _told(desk, "coupon_codes_added", _counted(desk, value, 1))
    return {"coupon_code": made}


def _code(desk: Desk, value: JsonObject, code: str) -> JsonObject:
    row = {"coupon_id": value["coupon_id"], "coupon_set_id": value["id"], "coupon_set_name": value["name"]}
    return desk.create("coupon_code", {"code": code, **row})


def _counted(desk: Desk, value: JsonObject, more: int) -> JsonObject:
    value["total_count"] = value.get("total_count", 0) + more
    return desk.save("coupon_set", value)


def _told(desk: Desk, event: str, value: JsonObject) -> JsonObject:
    desk.emit(event, {"coupon_set": value})
    return {"coupon_set": value}


def retrieve_set(desk: Desk, _call: Call, id: str) -> JsonObject:
    """``GET /coupon_sets/{id}``."""
    return {"coupon_set": desk.find("coupon_set", id)}


def update_set(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /coupon_sets/{id}/update``."""
    value = desk.find("coupon_set", id)
    params = without_nulls(desk.form(call, "coupon_set.update"))
    return _told(desk, "coupon_set_updated", desk.save("coupon_set", {**value, **params}))


def delete_set(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /coupon_sets/{id}/delete``: with its codes."""
    value = desk.find("coupon_set", id)
    desk.form(call, "coupon_set.delete")
    for code in _codes(desk, id):
        desk.discard("coupon_code", code)
    desk.discard("coupon_set", value)
    return _told(desk, "coupon_set_deleted", value)


def delete_unused(desk: Desk, call: Call, id: str) -> JsonObject:
    """``POST /coupon_sets/{id}/delete_unused_coupon_codes``."""
    value = desk.find("coupon_set", id)
    desk.form(call, "coupon_set.delete_unused_coupon_codes")
    unused = [code for code in _codes(desk, id) if code["status"] == "not_redeemed"]
    for code in unused:
        desk.discard("coupon_code", code)
    return _told(desk, "coupon_codes_deleted", _counted(desk, value, -len(unused)))


def _codes(desk: Desk, id: str) -> list[JsonObject]:
    return desk.store.matching("coupon_code", "json_extract(o.body, '$.coupon_set_id') = ?", (id,))


def retrieve_code(desk: Desk, _call: Call, code: str) -> JsonObject:
    """``GET /coupon_codes/{id}``."""
    return {"coupon_code": desk.find("coupon_code", code)}


def archive_code(desk: Desk, _call: Call, code: str) -> JsonObject:
    """``POST /coupon_codes/{id}/archive``: only one that was not redeemed."""
    value = desk.store.get("coupon_code", code)
    if value is None:
        raise not_found("coupon_code", code)
    if value["status"] != "not_redeemed":
        raise wrong_state(f"The coupon code {code} is {value['status']}.")
    saved = desk.save("coupon_code", {**value, "status": "archived"})
    whole = desk.find("coupon_set", value["coupon_set_id"])
    whole["archived_count"] = whole.get("archived_count", 0) + 1
    _told(desk, "coupon_codes_updated", desk.save("coupon_set", whole))
    return {"coupon_code": saved}


OPERATIONS = (
    ("POST", "coupons", create, "pc1"),
    ("POST", "coupons/create_for_items", create_for_items, "pc2"),
    ("POST", "coupons/*", update, "pc1"),
    ("POST", "coupons/*/update_for_items", update_for_items, "pc2"),
    ("GET", "coupons/*", retrieve, None),
    ("POST", "coupons/*/delete", delete, None),
    ("POST", "coupons/*/unarchive", unarchive, None),
    ("POST", "coupon_sets", create_set, None),
    ("POST", "coupon_sets/*/add_coupon_codes", add_codes, None),
    ("GET", "coupon_sets/*", retrieve_set, None),
    ("POST", "coupon_sets/*/update", update_set, None),
    ("POST", "coupon_sets/*/delete", delete_set, None),
    ("POST", "coupon_sets/*/delete_unused_coupon_codes", delete_unused, None),
    ("POST", "coupon_codes", create_code, None),
    ("GET", "coupon_codes/*", retrieve_code, None),
    ("POST", "coupon_codes/*/archive", archive_code, None),
)
