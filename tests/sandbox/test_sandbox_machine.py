"""Whatever is done, the books are right: random calls and journeys, checked against what must always hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from .books import DAY, FAILING, GOOD, Books
from .invariants import complaints

PRICES = ("basic-USD-Monthly", "scale-USD-Monthly", "volume-USD-Monthly", "basic-USD-Yearly", "team-USD-Monthly")
ADDONS = ("support-USD-Monthly", "backup-USD-Monthly", "Set-up fee USD")
AMOUNTS = st.integers(1, 20_000)
LIFE = {
    "future": {"future", "in_trial", "active", "non_renewing", "cancelled"},
    "in_trial": {"in_trial", "active", "non_renewing", "paused", "cancelled"},
    "active": {"active", "non_renewing", "paused", "cancelled"},
    "non_renewing": {"non_renewing", "active", "paused", "cancelled"},
    "paused": {"paused", "in_trial", "active", "non_renewing", "cancelled"},
    "cancelled": {"cancelled", "in_trial", "active", "non_renewing"},
}
"""From which status one step of a call leads where."""


class Business(RuleBasedStateMachine):
    """Customers, subscriptions, invoices, payments, credits and time, in any order."""

    customers: Bundle[str] = Bundle("customers")
    subscriptions: Bundle[str] = Bundle("subscriptions")

    def __init__(self) -> None:
        super().__init__()
        self.books = Books(catalog="pc2", strict=True)
        self.count = 0
        self.statuses: dict[str, str] = {}
        for id, number in (("good", GOOD), ("failing", FAILING), ("none", None)):
            self.books.customer(id, number=number, **{"billing_address[country]": "NO"})

    def call(self, path: str, form: dict[str, Any] | None = None) -> Any:
        """Any answer but a failure of the sandbox; a refusal changes nothing, a success has its event."""
        before, events = self.rows(), self.events()
        status, body = self.books.send("POST", path, form)
        assert status in (200, 400, 402, 404, 409), body
        changed = self.rows() != before
        if status != 200 and body["api_error_code"] != "payment_processing_failed":
            assert not changed, (path, form, body)
        if changed:
            assert self.events() > events, (path, form)
        self.check_steps()
        return body if status == 200 else None

    def rows(self) -> list[tuple[str, str]]:
        """Everything but the events."""
        kinds = ("customer", "subscription", "invoice", "transaction", "credit_note", "unbilled_charge", "coupon")
        return [(kind, json.dumps(row)) for kind in kinds for row in self.books.rows(kind)]

    def events(self) -> int:
        """How many events there are."""
        return self.books.store.count("event")

    def check_steps(self) -> None:
        """Statuses go only where they may go."""
        now = {row["id"]: row["status"] for row in self.books.rows("subscription")}
        for id, status in now.items():
            before: str = self.statuses.get(id) or status
            assert status in LIFE[before], (id, before, status)
        self.statuses = now

    @initialize(target=customers)
    def first(self) -> Any:
        """Somebody whose card is good, somebody whose card fails, somebody without one."""
        return multiple("good", "failing", "none")

    @initialize(target=subscriptions, price=st.sampled_from(PRICES))
    def sold(self, price: str) -> Any:
        """There is always something to bill: at once, and after a trial with a card that fails."""
        self.books.subscribe(price, "support-USD-Monthly", customer="good", id="s-good")
        self.books.subscribe("team-USD-Monthly", customer="failing", id="s-failing")
        return multiple("s-good", "s-failing")

    @rule(
        target=subscriptions,
        customer=customers,
        price=st.sampled_from(PRICES),
        addon=st.sampled_from([None, *ADDONS]),
        quantity=st.integers(1, 15),
        coupon=st.sampled_from([None, "WELCOME", "LOYAL"]),
        start=st.sampled_from([None, 10]),
        more=st.sampled_from(
            [
                {},
                {"billing_cycles": 2},
                {"trial_end": 0},
                {"invoice_immediately": False},
                {"create_pending_invoices": True},
                {"net_term_days": 10},
                {"auto_collection": "off"},
                {"setup_fee": 1_000},
            ]
        ),
    )
    def subscribe(
        self,
        customer: str,
        price: str,
        addon: str | None,
        quantity: int,
        coupon: str | None,
        start: int | None,
        more: dict[str, Any],
    ) -> Any:
        """A new subscription; a declined card refuses it whole."""
        self.count += 1
        form: dict[str, Any] = {
            "id": f"s{self.count}",
            "subscription_items[item_price_id][0]": price,
            "subscription_items[quantity][0]": quantity,
            **more,
        }
        if addon is not None:
            form["subscription_items[item_price_id][1]"] = addon
        if coupon is not None:
            form["coupon_ids[0]"] = coupon
        if start is not None:
            form["start_date"] = int(self.books.clock.now()) + start * DAY
        made = self.call(f"/customers/{customer}/subscription_for_items", form)
        return multiple() if made is None else made["subscription"]["id"]

    @rule(
        id=subscriptions,
        price=st.sampled_from([*PRICES, *ADDONS]),
        quantity=st.integers(1, 15),
        how=st.sampled_from(
            [{}, {"end_of_term": True}, {"prorate": False}, {"invoice_immediately": False}, {"force_term_reset": True}]
        ),
        replace=st.booleans(),
    )
    def change(self, id: str, price: str, quantity: int, how: dict[str, Any], replace: bool) -> None:
        """Other items, now or later."""
        form = {"subscription_items[item_price_id][0]": price, "subscription_items[quantity][0]": quantity, **how}
        self.call(f"/subscriptions/{id}/update_for_items", form | {"replace_items_list": replace})

    @rule(
        id=subscriptions,
        how=st.sampled_from(
            [
                ("cancel_for_items", {}),
                ("cancel_for_items", {"end_of_term": True}),
                ("cancel_for_items", {"credit_option_for_current_term_charges": "prorate"}),
                (
                    "cancel_for_items",
                    {
                        "credit_option_for_current_term_charges": "full",
                        "refundable_credits_handling": "schedule_refund",
                        "account_receivables_handling": "write_off",
                    },
                ),
                ("cancel_for_items", {"unbilled_charges_option": "delete"}),
                ("remove_scheduled_cancellation", {}),
                ("reactivate", {}),
                ("reactivate", {"trial_period_days": 5}),
                ("pause", {}),
                ("pause", {"pause_option": "end_of_term"}),
                ("pause", {"pause_option": "billing_cycles", "skip_billing_cycles": 1}),
                ("resume", {}),
                ("remove_scheduled_pause", {}),
                ("remove_scheduled_resumption", {}),
                ("remove_scheduled_changes", {}),
                ("remove_coupons", {}),
            ]
        ),
    )
    def step(self, id: str, how: tuple[str, dict[str, Any]]) -> None:
        """A step of life, legal or not."""
        self.call(f"/subscriptions/{id}/{how[0]}", how[1])

    @rule(id=subscriptions, days=st.integers(1, 60), prorate=st.booleans())
    def change_term_end(self, id: str, days: int, prorate: bool) -> None:
        """A longer or a shorter term."""
        end = int(self.books.clock.now()) + days * DAY
        self.call(f"/subscriptions/{id}/change_term_end", {"term_ends_at": end, "prorate": prorate})

    @precondition(lambda self: len(self.statuses) > 3)
    @rule(id=consumes(subscriptions))
    def delete_subscription(self, id: str) -> None:
        """Gone."""
        self.call(f"/subscriptions/{id}/delete")
        self.statuses.pop(id, None)

    @rule(customer=customers, amount=AMOUNTS, net=st.sampled_from([0, 5]), auto=st.sampled_from(["on", "off"]))
    def invoice(self, customer: str, amount: int, net: int, auto: str) -> None:
        """A one-off charge."""
        form = {"customer_id": customer, "charges[amount][0]": amount, "charges[description][0]": "Work"}
        terms = {"net_term_days": net, "auto_collection": auto, "coupon_ids[0]": "LOYAL"}
        self.call("/invoices/create_for_charge_items_and_charges", form | terms)

    @rule(id=subscriptions, amount=AMOUNTS)
    def charge_later(self, id: str, amount: int) -> None:
        """An unbilled charge."""
        form = {"subscription_id": id, "charges[amount][0]": amount, "charges[description][0]": "Extra"}
        self.call("/unbilled_charges", form)

    @rule(id=subscriptions)
    def bill_unbilled(self, id: str) -> None:
        """What was not billed is billed."""
        self.call("/unbilled_charges/invoice_unbilled_charges", {"subscription_id": id})

    @rule(
        at=st.integers(0, 10_000),
        amount=AMOUNTS,
        how=st.sampled_from(
            [
                ("collect_payment", ()),
                ("record_payment", ("transaction[amount]",)),
                ("refund", ("refund_amount",)),
                ("refund", ()),
                ("record_refund", ("transaction[amount]",)),
                ("apply_credits", ()),
                ("apply_payments", ()),
                ("write_off", ()),
                ("void", ()),
                ("delete", ()),
                ("close", ()),
                ("stop_dunning", ()),
                ("resume_dunning", ()),
            ]
        ),
    )
    def touch_invoice(self, at: int, amount: int, how: tuple[str, tuple[str, ...]]) -> None:
        """Something is done to some invoice."""
        bills = self.books.rows("invoice")
        if bills:
            form: dict[str, Any] = dict.fromkeys(how[1], amount)
            if how[0].startswith("record_"):
                form |= {"transaction[payment_method]": "cash", "transaction[date]": int(self.books.clock.now())}
            self.call(f"/invoices/{bills[at % len(bills)]['id']}/{how[0]}", form)

    @rule(at=st.integers(0, 10_000), amount=AMOUNTS, type=st.sampled_from(["refundable", "adjustment"]))
    def credit(self, at: int, amount: int, type: str) -> None:
        """A credit note for some invoice."""
        bills = self.books.rows("invoice")
        if bills:
            form = {"reference_invoice_id": bills[at % len(bills)]["id"], "type": type, "total": amount}
            self.call("/credit_notes", form | {"reason_code": "waiver"})

    @rule(at=st.integers(0, 10_000), amount=AMOUNTS, how=st.sampled_from(["refund", "void", "delete"]))
    def touch_credit_note(self, at: int, amount: int, how: str) -> None:
        """Something is done to some credit note."""
        notes = self.books.rows("credit_note")
        if notes:
            form = {"refund_amount": amount} if how == "refund" else {}
            self.call(f"/credit_notes/{notes[at % len(notes)]['id']}/{how}", form)

    @rule(at=st.integers(0, 10_000))
    def unlink(self, at: int) -> None:
        """A payment or a credit note is taken off some invoice."""
        bills = [row for row in self.books.rows("invoice") if row.get("linked_payments") or row.get("applied_credits")]
        if bills:
            bill = bills[at % len(bills)]
            for row in bill.get("applied_credits", [])[:1]:
                self.call(f"/invoices/{bill['id']}/remove_credit_note", {"credit_note[id]": row["cn_id"]})
            for row in bill.get("linked_payments", [])[:1]:
                self.call(f"/invoices/{bill['id']}/remove_payment", {"transaction[id]": row["txn_id"]})

    @rule(customer=customers, amount=AMOUNTS, how=st.sampled_from(["add", "deduct", "set"]))
    def promote(self, customer: str, amount: int, how: str) -> None:
        """Promotional credits."""
        form = {"customer_id": customer, "amount": amount, "description": "Hello"}
        self.call(f"/promotional_credits/{how}", form)

    @rule(customer=customers, amount=AMOUNTS)
    def pay_on_account(self, customer: str, amount: int) -> None:
        """An excess payment."""
        form = {"transaction[amount]": amount, "transaction[payment_method]": "cash"}
        now = {"transaction[date]": int(self.books.clock.now())}
        self.call(f"/customers/{customer}/record_excess_payment", form | now)

    @rule(customer=customers, number=st.sampled_from([GOOD, FAILING]))
    def new_card(self, customer: str, number: str) -> None:
        """Another primary card."""
        card = {"card[number]": number, "card[expiry_month]": 6, "card[expiry_year]": 2027}
        form = {"customer_id": customer, "replace_primary_payment_source": True}
        self.call("/payment_sources/create_card", card | form)

    @rule(days=st.sampled_from([31, 16, 7, 1, 95, 0.5, 400]))
    def travel(self, days: float) -> None:
        """Time passes; what is due happens."""
        self.books.travel(days=days)
        self.statuses = {row["id"]: row["status"] for row in self.books.rows("subscription")}

    @invariant()
    def the_books_are_right(self) -> None:
        """Sums, statuses, links, balances."""
        assert complaints(self.books.store) == []

    @invariant()
    def nothing_is_left_undone(self) -> None:
        """What is due has been done."""
        due = self.books.store.next_due()
        assert due is None or due[0] > self.books.clock.now()

    @rule(
        kind=st.sampled_from(["customer", "subscription", "invoice", "transaction", "credit_note", "event"]),
        name=st.sampled_from(["id", "status", "customer_id", "subscription_id"]),
        operator=st.sampled_from(["is", "is_not", "in"]),
        at=st.integers(0, 10_000),
        limit=st.integers(1, 7),
    )
    def list_rows(self, kind: str, name: str, operator: str, at: int, limit: int) -> None:
        """A list, page by page, is what a naive evaluation of its filter gives."""
        rows = self.books.rows(kind)
        known = [row[name] for row in rows if name in row]
        path = f"/{kind}s"
        if not known or (kind, name) in NOT_FILTERED:
            return
        value = known[at % len(known)]
        shown = f'["{value}"]' if operator == "in" else value
        found: list[str] = []
        asked = {f"{name}[{operator}]": shown, "limit": str(limit)}
        while True:
            body = self.books.get(path, asked)
            found += [row[kind]["id"] for row in body["list"]]
            if "next_offset" not in body:
                break
            asked["offset"] = body["next_offset"]
        same = operator != "is_not"
        assert found == [row["id"] for row in rows if name in row and (row[name] == value) == same]


NOT_FILTERED = {
    ("customer", "status"),
    ("customer", "customer_id"),
    ("customer", "subscription_id"),
    ("subscription", "subscription_id"),
    ("event", "status"),
    ("event", "customer_id"),
    ("event", "subscription_id"),
}
_QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]


def _run(examples: int, steps: int) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        Business,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=_QUIET
        ),
    )


def test_whatever_is_done_the_books_are_right() -> None:
    """Some random businesses of thirty steps each."""
    _run(20, 30)


@pytest.mark.soak
def test_whatever_is_done_for_long_the_books_are_right() -> None:
    """Many more, and longer ones."""
    _run(250, 60)


def test_the_check_notices_wrong_books() -> None:
    """The invariants are no formality: a cent off, a status that does not fit, a lost link are each noticed."""
    for kind, change in (
        ("invoice", {"amount_due": 1}),
        ("invoice", {"status": "payment_due"}),
        ("invoice", {"linked_payments": []}),
        ("transaction", {"amount": 901}),
        ("transaction", {"linked_invoices": []}),
        ("customer", {"refundable_credits": 1}),
        ("subscription", {"due_invoices_count": 1}),
        ("subscription", {"status": "paused"}),
    ):
        books = Books()
        books.customer()
        books.subscribe(id="s1")
        row = books.rows(kind)[-1]
        books.store.put(kind, {**row, **change})
        assert complaints(books.store), (kind, change)
