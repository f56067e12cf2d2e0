"""Changing what a subscription is made of: at once with proration, or later."""

from __future__ import annotations

from attrs import evolve, frozen

from aiochargebee_gw.sandbox._billing.amounts import share
from aiochargebee_gw.sandbox._billing.credits import unused_gross
from aiochargebee_gw.sandbox._billing.lines import Line
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._json import JsonObject, without_nulls
from aiochargebee_gw.sandbox._ledger import credits, unbilled
from aiochargebee_gw.sandbox._life import rows, sales, schedule, selling, transitions
from aiochargebee_gw.sandbox._life.billing import bill_lines
from aiochargebee_gw.sandbox._problems import wrong_value

SUBJECT = (
    "subscription_items",
    "replace_items_list",
    "mandatory_items_to_remove",
    "plan_id",
    "plan_quantity",
    "plan_unit_price",
    "addons",
    "replace_addon_list",
    "billing_cycles",
    "setup_fee",
)
"""What a scheduled change carries; the rest of a call takes effect at once."""


@frozen
class Outcome:
    """What came of a change: the ids of the invoice, the credit notes and the unbilled charges."""

    invoice_id: str | None = None
    credit_notes: tuple[str, ...] = ()
    unbilled: tuple[str, ...] = ()


def recast(desk: Desk, value: JsonObject, params: JsonObject) -> JsonObject:
    """The subscription with the items, plan or addons that the parameters ask for; nothing is written."""
    changed = dict(value)
    if "plan_id" in value or params.get("plan_id"):
        _recast_plan(desk, changed, params)
    elif params.get("subscription_items") or params.get("mandatory_items_to_remove"):
        items, plan = sales.item_rows(desk, _merged(desk, value, params))
        if plan["currency_code"] != value["currency_code"]:
            raise wrong_value(sales.FIRST_ITEM, f"the subscription is billed in {value['currency_code']}")
        period = {"billing_period": plan.get("period", 1), "billing_period_unit": plan.get("period_unit", "month")}
        changed |= {"subscription_items": items, **period}
    if params.get("billing_cycles") is not None:
        changed["remaining_billing_cycles"] = params["billing_cycles"]
    return changed


def _recast_plan(desk: Desk, changed: JsonObject, params: JsonObject) -> None:
    id = params.get("plan_id") or changed["plan_id"]
    named = any(params.get(name) is not None for name in ("plan_id", "plan_quantity", "plan_unit_price"))
    plan = sales.on_sale(desk, "plan", id, "plan_id") if named else desk.find("plan", id)
    if plan["currency_code"] != changed["currency_code"]:
        raise wrong_value("plan_id", f"the subscription is billed in {changed['currency_code']}")
    if named:
        same = params.get("plan_id") in (None, changed["plan_id"])
        kept = (
            {"plan_quantity": changed["plan_quantity"], "plan_unit_price": changed["plan_unit_price"]} if same else {}
        )
        if params.get("plan_quantity") is not None and params.get("plan_unit_price") is None:
            kept.pop("plan_unit_price", None)
        changed |= sales.plan_attributes(plan, {**kept, **without_nulls(params)})
        changed |= {"billing_period": plan["period"], "billing_period_unit": plan["period_unit"]}
    sent = params.get("addons")
    if sent:
        made = sales.addon_rows(desk, sent, plan["currency_code"])
        names = {row["id"] for row in made}
        old = [] if params.get("replace_addon_list") else [r for r in changed.get("addons", []) if r["id"] not in names]
        changed["addons"] = [*old, *made]


def _merged(desk: Desk, value: JsonObject, params: JsonObject) -> list[JsonObject]:
    """The items that are sent, beside those that stay; a plan that is sent takes the place of the one that was."""
    sent = [without_nulls(row) for row in params.get("subscription_items") or ()]
    if params.get("replace_items_list") and sent:
        return sent
    old = {item["item_price_id"]: item for item in value.get("subscription_items", [])}
    gone = {*(params.get("mandatory_items_to_remove") or ()), *(row["item_price_id"] for row in sent)}
    if any(_is_plan(desk, row["item_price_id"]) for row in sent):
        gone |= {id for id, item in old.items() if item.get("item_type") == "plan"}
    kept = [_as_sent(item) for id, item in old.items() if id not in gone]
    return [*({**_as_sent(old.get(row["item_price_id"], {})), **row} for row in sent), *kept]


def _is_plan(desk: Desk, id: str) -> bool:
    price = desk.store.get("item_price", id)
    return price is not None and price["item_type"] == "plan"


def _as_sent(item: JsonObject) -> JsonObject:
    names = ("item_price_id", "item_type", "quantity", "unit_price", "billing_cycles", "charge_on_event", "charge_once")
    return {name: item[name] for name in names if name in item}


def apply(
    desk: Desk, value: JsonObject, note: JsonObject, params: JsonObject, *, prorate: bool = True, strict: bool = True
) -> Outcome:
    """Change a running subscription now: credit the rest of the old term, charge the rest at the new price.

    Another billing period, or ``force_term_reset``, begins a new term. With ``invoice_immediately=false`` the charges
    stay unbilled.
    """
    at = desk.at()
    before = selling.recurring_lines(desk, value, value["current_term_start"], value["current_term_end"])
    changed = recast(desk, value, params)
    reset = bool(params.get("force_term_reset")) or schedule.term_of(changed) != schedule.term_of(value)
    begin, end = value["current_term_start"], value["current_term_end"]
    if reset:
        transitions.begin_term(changed, note, at)
    else:
        _dress(changed, value)
    note.pop("scheduled", None)
    changed |= {"has_scheduled_changes": False}
    changed.pop("changes_scheduled_at", None)
    saved = rows.keep(desk, changed, note)
    rows.tell(desk, "subscription_changed", saved)
    after = selling.recurring_lines(desk, saved, begin, end)
    gone = before if reset else [line for line in before if line not in after]
    new = [] if reset else [line for line in after if line not in before]
    notes = credit_unused(desk, saved["id"], gone, at, "subscription_change") if prorate else []
    if reset:
        bill = transitions.bill_term(desk, saved["id"], first=True, strict=strict)
        return _outcome(bill, notes)
    charges = [_prorated(line, at, begin, end) for line in new] if prorate else []
    charges += selling.charge_lines(desk, {**saved, "setup_fee": params.get("setup_fee")}, at)
    transitions.drop_charges(desk, desk.find("subscription", saved["id"]))
    charges = [line for line in charges if line.amount]
    if params.get("invoice_immediately") is False:
        made = unbilled.add(desk, saved, charges)
        return evolve(_outcome(None, notes), unbilled=tuple(row["id"] for row in made))
    if not charges:
        return _outcome(None, notes)
    return _outcome(bill_lines(desk, saved["id"], charges, strict=strict), notes)


def _outcome(bill: JsonObject | None, notes: list[JsonObject]) -> Outcome:
    return Outcome(None if bill is None else bill["id"], tuple(row["id"] for row in notes))


def _dress(changed: JsonObject, value: JsonObject) -> None:
    """New items say the term that runs."""
    for item in changed.get("subscription_items", []):
        if item.get("item_type") == "plan":
            item |= {name: value[name] for name in ("current_term_start", "current_term_end") if name in value}
            if "next_billing_at" in value:
                item["next_billing_at"] = value["next_billing_at"]


def _prorated(line: Line, at: int, begin: int, end: int) -> Line:
    return part_of(line, share(line.amount, max(0, end - at), end - begin), at, end)


def part_of(line: Line, amount: int, begin: int, end: int) -> Line:
    """A line that stands for a part of a term, at an amount of its own."""
    return evolve(
        line,
        amount=amount,
        unit_amount=amount,
        quantity=1,
        pricing_model="flat_fee",
        date_from=begin,
        date_to=end,
        prorated=True,
    )


def credit_unused(
    desk: Desk, subscription_id: str, gone: list[Line], at: int, reason: str, *, full: bool = False
) -> list[JsonObject]:
    """Credit notes over what was invoiced for these lines and the time after ``at`` (``full``: for the whole term)."""
    names = {line.entity_id for line in gone}
    found: list[JsonObject] = []
    condition = "o.sub = ? AND json_extract(o.body, '$.status') NOT IN ('voided', 'pending')"
    for bill in desk.store.matching("invoice", condition, (subscription_id,)):
        picked = [
            row
            for row in bill.get("line_items", [])
            if row.get("entity_id") in names and row["date_to"] > at and row["date_from"] < row["date_to"]
        ]
        parts = [_creditable(desk, bill, row, at, full=full) for row in picked]
        if sum(parts):
            found += credits.credit_lines(desk, bill, picked, parts, reason)
    return found


def _creditable(desk: Desk, bill: JsonObject, row: JsonObject, at: int, *, full: bool) -> int:
    """What may be credited of a line: never what an earlier credit note has credited already."""
    wanted = unused_gross(row, row["date_from"] if full else at)
    whole = unused_gross(row, row["date_from"])
    credited = 0
    for name in ("issued_credit_notes", "adjustment_credit_notes"):
        for issued in bill.get(name, []):
            other = desk.store.get("credit_note", issued["cn_id"])
            if other is not None and other["status"] != "voided":
                credited += sum(
                    line["amount"] + line["tax_amount"]
                    for line in other.get("line_items", [])
                    if line.get("reference_line_item_id") == row["id"]
                )
    return max(0, min(wanted, whole - credited))


def schedule_change(desk: Desk, value: JsonObject, note: JsonObject, params: JsonObject, at: int) -> JsonObject:
    """Keep a change for later; it is checked now. Gives the stored subscription."""
    recast(desk, value, params)
    kept = {name: params[name] for name in (*SUBJECT, "force_term_reset") if params.get(name) is not None}
    note["scheduled"] = {"at": at, "params": kept}
    value |= {"has_scheduled_changes": True, "changes_scheduled_at": at}
    saved = rows.keep(desk, value, note)
    rows.tell(desk, "subscription_changes_scheduled", saved)
    return saved


def apply_scheduled(desk: Desk, value: JsonObject, note: JsonObject) -> None:
    """A scheduled change is due: at the term's end without proration, in between with it."""
    params = note.pop("scheduled")["params"]
    if value.get("current_term_end") != desk.at():
        if value["status"] == "in_trial":
            _put(desk, recast(desk, value, params), note)
        else:
            apply(desk, value, note, params, strict=False)
        return
    _put(desk, recast(desk, value, params), note)


def _put(desk: Desk, changed: JsonObject, note: JsonObject) -> None:
    changed |= {"has_scheduled_changes": False}
    changed.pop("changes_scheduled_at", None)
    rows.tell(desk, "subscription_changed", rows.keep(desk, changed, note))
