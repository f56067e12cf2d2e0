"""What is on sale: item families, items and item prices (2.0), plans and addons (1.0).

An id that is taken is 400 ``duplicate_entry``, a name too where names are unique. What is in use is archived when it is
deleted, as the vendor does: subscriptions keep what they were sold.
"""

from __future__ import annotations

from collections.abc import Callable

from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject, without_nulls
from aiochargebee_gw.sandbox._kinds import KINDS, STATUS_DELETED
from aiochargebee_gw.sandbox._messages import Call
from aiochargebee_gw.sandbox._problems import Problem, duplicate, missing, wrong_state, wrong_value

Handler = Callable[[Desk, Call, str], JsonObject]
_PRICED = ("price", "tiers", "price_in_decimal")
_IN_SUBSCRIPTIONS = {
    "item_price": "EXISTS (SELECT 1 FROM json_each(o.body, '$.subscription_items') AS e "
    "WHERE json_extract(e.value, '$.item_price_id') = ?)",
    "plan": "json_extract(o.body, '$.plan_id') = ?",
    "addon": "EXISTS (SELECT 1 FROM json_each(o.body, '$.addons') AS e WHERE json_extract(e.value, '$.id') = ?)",
}


def create_family(desk: Desk, call: Call, _id: str) -> JsonObject:
    """``POST /item_families``."""
    params = desk.form(call, "item_family.create", custom="item_family")
    return _create(desk, "item_family", without_nulls(params))


def create_item(desk: Desk, call: Call, _id: str) -> JsonObject:
    """``POST /items``: its family must exist."""
    params = without_nulls(desk.form(call, "item.create", custom="item"))
    desk.find("item_family", params["item_family_id"], param="item_family_id")
    bundled = params.pop("bundle_items_to_add", None)
    if bundled:
        params["bundle_items"] = [{**without_nulls(row), "object": "bundle_item"} for row in bundled]
    applicable = params.pop("applicable_items", None)
    if applicable:
        params["applicable_items"] = [{"id": id, "object": "applicable_item"} for id in applicable]
    if "bundle_configuration" in params:
        params["bundle_configuration"]["object"] = "bundle_configuration"
    return _create(desk, "item", params)


def create_item_price(desk: Desk, call: Call, _id: str) -> JsonObject:
    """``POST /item_prices``: of an item that exists; a plan or addon needs a period, a charge has none."""
    params = without_nulls(desk.form(call, "item_price.create", custom="item_price"))
    item = desk.find("item", params["item_id"], param="item_id")
    if item["type"] == "charge":
        params.pop("period", None)
        params.pop("period_unit", None)
    elif "period_unit" not in params:
        raise missing("period_unit")
    else:
        params.setdefault("period", 1)
    params.setdefault("currency_code", "USD")
    params.setdefault("pricing_model", "flat_fee")
    _check_priced(params)
    _dress(params)
    derived = {"item_type": item["type"], "item_family_id": item.get("item_family_id"), "is_taxable": True}
    return _create(desk, "item_price", without_nulls({**derived, **params}))


def create_plan(desk: Desk, call: Call, _id: str) -> JsonObject:
    """``POST /plans`` (1.0)."""
    params = without_nulls(desk.form(call, "plan.create", custom="plan"))
    params.setdefault("pricing_model", params.get("charge_model", "flat_fee"))
    params["charge_model"] = params["pricing_model"]
    params.setdefault("currency_code", "USD")
    if not any(name in params for name in _PRICED):
        params["price"] = 0
    _check_priced(params)
    _dress(params)
    for name, kind, added in (
        ("applicable_addons", "applicable_addon", {}),
        ("attached_addons", "attached_addon", {"type": "recommended"}),
        ("event_based_addons", "event_based_addon", {}),
    ):
        if name in params:
            params[name] = [{**added, **without_nulls(row), "object": kind} for row in params[name]]
    return _create(desk, "plan", {**params, "taxable": params.get("taxable", True)})


def create_addon(desk: Desk, call: Call, _id: str) -> JsonObject:
    """``POST /addons`` (1.0)."""
    params = without_nulls(desk.form(call, "addon.create", custom="addon"))
    params.setdefault("pricing_model", "flat_fee")
    params.setdefault("currency_code", "USD")
    params["type"] = {"flat_fee": "on_off", "per_unit": "quantity"}.get(
        params["pricing_model"], params["pricing_model"]
    )
    if params["charge_type"] == "recurring":
        if "period_unit" not in params:
            raise missing("period_unit")
        params.setdefault("period", 1)
    else:
        params |= {"period_unit": "not_applicable", "period": None}
    if not any(name in params for name in _PRICED):
        params["price"] = 0
    _check_priced(params)
    _dress(params)
    return _create(desk, "addon", {**params, "taxable": params.get("taxable", True)})


def _check_priced(params: JsonObject) -> None:
    model = params["pricing_model"]
    if model in ("flat_fee", "per_unit"):
        if not any(name in params for name in ("price", "price_in_decimal")):
            raise missing("price")
        return
    tiers = params.get("tiers")
    if not tiers:
        raise missing("tiers[starting_unit][0]")
    expected = 1
    for index, tier in enumerate(tiers):
        if tier.get("starting_unit") != expected:
            raise wrong_value(f"tiers[starting_unit][{index}]", f"must be {expected}")
        if tier.get("price") is None:
            raise missing(f"tiers[price][{index}]")
        if tier.get("ending_unit") is None and index < len(tiers) - 1:
            raise missing(f"tiers[ending_unit][{index}]")
        expected = (tier.get("ending_unit") or 0) + 1
    params.pop("price", None)


def _dress(params: JsonObject) -> None:
    """Nested objects say what they are."""
    for name, kind in (("tax_detail", "tax_detail"), ("accounting_detail", "accounting_detail")):
        if name in params:
            params[name] = {**without_nulls(params[name]), "object": kind}
    for name, kind in (("tiers", "tier"), ("tax_providers_fields", "tax_providers_field")):
        if name in params:
            params[name] = [{**without_nulls(row), "object": kind} for row in params[name]]


def _create(desk: Desk, kind: str, values: JsonObject) -> JsonObject:
    check_new(desk, kind, values)
    made = desk.create(kind, values)
    desk.emit(f"{kind}_created", {kind: made})
    return {kind: made}


def check_new(desk: Desk, kind: str, values: JsonObject) -> None:
    """Raise ``Problem`` (400 ``duplicate_entry``) where the id or the name is taken."""
    if desk.store.text(kind, values["id"]) is not None:
        raise duplicate("id", values["id"])
    _check_name(desk, kind, values["name"], values["id"])


def _check_name(desk: Desk, kind: str, name: str, id: str) -> None:
    if desk.store.matching(kind, "json_extract(o.body, '$.name') = ? AND o.id <> ?", (name, id)):
        raise duplicate("name", name)


def _update(kind: str) -> Handler:
    def update(desk: Desk, call: Call, id: str) -> JsonObject:
        """What is left out stays, what is blank is cleared; a price is for new sales alone."""
        value = desk.find(kind, id)
        params = desk.form(call, f"{kind}.update", custom=kind)
        if value.get("status") == "deleted":
            raise wrong_state(f"The {kind} {id} is deleted.")
        if params.get("name"):
            _check_name(desk, kind, params["name"], id)
        params = {name: item for name, item in params.items() if name in _attributes(kind) or name.startswith("cf_")}
        _dress_all(params)
        changed = {**value, **params}
        for name, default in KINDS[kind].defaults.items():
            if changed.get(name) is None:
                changed[name] = default
        if changed.get("name") is None:
            changed["name"] = value["name"]
        if "status" in params:
            changed["archived_at"] = desk.at() if params["status"] == "archived" else None
        if "pricing_model" in changed and any(name in params for name in ("pricing_model", "price", "tiers")):
            checked = without_nulls(changed)
            _check_priced(checked)
            changed = checked
        saved = desk.save(kind, changed)
        desk.emit(f"{kind}_updated", {kind: saved})
        return {kind: saved}

    return update


def _attributes(kind: str) -> frozenset[str]:
    from aiochargebee_gw.sandbox._catalogue import describe

    return frozenset(describe().attributes(kind))


def _dress_all(params: JsonObject) -> None:
    filled = without_nulls(params)
    _dress(filled)
    for name, kind in (
        ("bundle_configuration", "bundle_configuration"),
        ("bundle_items", "bundle_item"),
        ("applicable_addons", "applicable_addon"),
        ("attached_addons", "attached_addon"),
        ("event_based_addons", "event_based_addon"),
    ):
        item = filled.get(name)
        if isinstance(item, dict):
            filled[name] = {**without_nulls(item), "object": kind}
        elif isinstance(item, list):
            filled[name] = [{**without_nulls(row), "object": kind} for row in item if isinstance(row, dict)]
    if any(isinstance(row, str) for row in params.get("applicable_items") or ()):
        filled["applicable_items"] = [{"id": id, "object": "applicable_item"} for id in params["applicable_items"]]
    params |= filled


def _delete(kind: str) -> Handler:
    def delete(desk: Desk, _call: Call, id: str) -> JsonObject:
        """Deleted, or archived where a subscription has it."""
        value = desk.find(kind, id)
        if value.get("status") == "deleted":
            raise wrong_state(f"The {kind} {id} is deleted already.")
        _check_children(desk, kind, id)
        if kind in _IN_SUBSCRIPTIONS and desk.store.matching("subscription", _IN_SUBSCRIPTIONS[kind], (id,)):
            saved = desk.save(kind, {**value, "status": "archived", "archived_at": desk.at()})
            desk.emit(f"{kind}_updated", {kind: saved})
            return {kind: saved}
        gone: JsonObject = {**value, "status": "deleted"}
        if kind not in STATUS_DELETED:
            gone["deleted"] = True
        saved = desk.save(kind, gone)
        desk.emit(f"{kind}_deleted", {kind: saved})
        return {kind: saved}

    return delete


def _check_children(desk: Desk, kind: str, id: str) -> None:
    children = {"item_family": ("item", "item_family_id"), "item": ("item_price", "item_id")}
    if kind not in children:
        return
    child, name = children[kind]
    if desk.store.matching(child, f"json_extract(o.body, '$.{name}') = ?", (id,)):
        raise Problem(400, "invalid_request", f"The {kind} {id} still has {child.replace('_', ' ')}s.")


def _unarchive(kind: str) -> Handler:
    def unarchive(desk: Desk, _call: Call, id: str) -> JsonObject:
        """On sale again; 409 for what is not archived."""
        value = desk.find(kind, id)
        if value.get("status") != "archived":
            raise wrong_state(f"The {kind} {id} is not archived.")
        saved = desk.save(kind, {**value, "status": "active", "archived_at": None})
        desk.emit(f"{kind}_updated", {kind: saved})
        return {kind: saved}

    return unarchive


def _retrieve(kind: str) -> Handler:
    return lambda desk, _call, id: {kind: desk.find(kind, id)}


OPERATIONS = (
    ("POST", "item_families", create_family, "pc2"),
    ("POST", "item_families/*", _update("item_family"), "pc2"),
    ("POST", "item_families/*/delete", _delete("item_family"), "pc2"),
    ("POST", "items", create_item, "pc2"),
    ("POST", "items/*", _update("item"), "pc2"),
    ("POST", "items/*/delete", _delete("item"), "pc2"),
    ("POST", "item_prices", create_item_price, "pc2"),
    ("POST", "item_prices/*", _update("item_price"), "pc2"),
    ("POST", "item_prices/*/delete", _delete("item_price"), "pc2"),
    ("POST", "plans", create_plan, "pc1"),
    ("POST", "plans/*", _update("plan"), "pc1"),
    ("POST", "plans/*/delete", _delete("plan"), "pc1"),
    ("POST", "plans/*/unarchive", _unarchive("plan"), "pc1"),
    ("POST", "addons", create_addon, "pc1"),
    ("GET", "addons/*", _retrieve("addon"), "pc1"),
    ("POST", "addons/*", _update("addon"), "pc1"),
    ("POST", "addons/*/delete", _delete("addon"), "pc1"),
    ("POST", "addons/*/unarchive", _unarchive("addon"), "pc1"),
)
