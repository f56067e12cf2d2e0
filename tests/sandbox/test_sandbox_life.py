"""The life of subscriptions: legal steps only, each with its event, each at its time."""

from __future__ import annotations

from typing import Any

import pytest

from .books import DAY, FEBRUARY, MARCH, NOW, Books, month, sub


def test_trial_then_active(books: Books) -> None:
    """A trial bills nothing; its end begins the first term and bills that."""
    made = books.subscribe("team-USD-Monthly", id="s1")
    assert "invoice" not in made
    books.fresh()
    books.travel(days=14)
    assert books.fresh() == ["subscription_activated", "invoice_generated", "payment_succeeded"]
    assert (sub(books)["status"], sub(books)["activated_at"]) == ("active", NOW + 14 * DAY)


def test_trial_that_ends_in_a_cancellation(books: Books) -> None:
    """``trial_end_action=cancel_subscription`` cancels at the trial's end, without an invoice."""
    books.subscribe("team-USD-Monthly", id="s1", trial_end_action="cancel_subscription")
    books.travel(days=15)
    assert (sub(books)["status"], sub(books)["cancelled_at"]) == ("cancelled", NOW + 14 * DAY)
    assert books.rows("invoice") == []


def test_future_starts_on_its_day(books: Books) -> None:
    """A future subscription starts on ``start_date``: without a trial it is billed then."""
    books.subscribe(id="s1", start_date=NOW + 10 * DAY)
    assert sub(books)["status"] == "future"
    books.fresh()
    books.travel(days=9.9)
    assert books.fresh() == []
    books.travel(days=0.2)
    assert books.fresh() == [
        "subscription_started",
        "subscription_activated",
        "invoice_generated",
        "payment_succeeded",
    ]
    assert sub(books)["current_term_start"] == NOW + 10 * DAY


def test_a_limited_number_of_terms(books: Books) -> None:
    """After the last of ``billing_cycles`` terms the subscription is cancelled."""
    books.subscribe(id="s1", billing_cycles=2)
    assert (sub(books)["status"], sub(books)["remaining_billing_cycles"]) == ("active", 1)
    books.travel(days=31)
    assert (sub(books)["status"], sub(books)["cancelled_at"]) == ("non_renewing", MARCH)
    books.travel(days=60)
    assert (sub(books)["status"], len(books.rows("invoice"))) == ("cancelled", 2)


def test_cancel_at_term_end_and_take_it_back(books: Books) -> None:
    """A scheduled cancellation can be removed, then it renews; left alone, it happens at the term's end."""
    books.subscribe(id="s1")
    books.post("/subscriptions/s1/cancel_for_items", end_of_term=True)
    assert sub(books)["status"] == "non_renewing"
    books.fresh()
    books.post("/subscriptions/s1/remove_scheduled_cancellation")
    assert (sub(books)["status"], sub(books)["next_billing_at"]) == ("active", FEBRUARY)
    assert books.fresh() == ["subscription_scheduled_cancellation_removed"]
    assert books.refused("/subscriptions/s1/remove_scheduled_cancellation")[:2] == (409, "invalid_state_for_request")
    books.post("/subscriptions/s1/cancel_for_items", end_of_term=True)
    books.fresh()
    books.travel(days=40)
    assert books.fresh() == ["subscription_cancelled"]
    assert (sub(books)["cancelled_at"], len(books.rows("invoice"))) == (FEBRUARY, 1)


@pytest.mark.parametrize(("option", "credit"), [("none", 0), ("prorate", 450), ("full", 900)])
def test_credits_of_a_cancellation(books: Books, option: str, credit: int) -> None:
    """Cancelled in the middle of the term, nothing, the rest or all of it is credited, refundable since it was paid."""
    books.subscribe(id="s1")
    books.travel(days=15.5)
    made = books.post("/subscriptions/s1/cancel_for_items", credit_option_for_current_term_charges=option)
    notes = made.get("credit_notes", [])
    assert sum(note["total"] for note in notes) == credit
    assert {note["type"] for note in notes} <= {"refundable"}
    assert made["customer"]["refundable_credits"] == credit


def test_a_cancellation_can_refund_and_write_off() -> None:
    """What was paid goes back to the card; what was never paid is written off."""
    books = Books()
    books.customer()
    books.subscribe(id="s1")
    books.post(
        "/subscriptions/s1/cancel_for_items",
        credit_option_for_current_term_charges="full",
        refundable_credits_handling="schedule_refund",
    )
    refund = books.rows("transaction")[-1]
    assert (refund["type"], refund["amount"]) == ("refund", 900)
    books.customer("cash", number=None)
    books.subscribe(id="s2", customer="cash")
    books.post("/subscriptions/s2/cancel_for_items", account_receivables_handling="write_off")
    bill = books.rows("invoice")[-1]
    assert (bill["status"], bill["write_off_amount"], bill["amount_due"]) == ("paid", 900, 0)


def test_reactivate(books: Books) -> None:
    """Only a cancelled subscription can be reactivated; a new term begins and is billed at once."""
    books.subscribe(id="s1")
    assert books.refused("/subscriptions/s1/reactivate")[:2] == (409, "invalid_state_for_request")
    books.post("/subscriptions/s1/cancel_for_items")
    books.travel(days=3)
    books.fresh()
    made = books.post("/subscriptions/s1/reactivate")
    assert (made["subscription"]["status"], made["invoice"]["total"]) == ("active", 900)
    assert made["subscription"]["current_term_start"] == NOW + 3 * DAY
    assert "cancelled_at" not in made["subscription"]
    assert books.fresh() == ["subscription_reactivated", "invoice_generated", "payment_succeeded"]


def test_pause_and_resume_within_the_term(books: Books) -> None:
    """Paused, nothing is billed; resumed before its term is over, it goes on as if nothing had been."""
    books.subscribe(id="s1")
    books.post("/subscriptions/s1/pause")
    assert sub(books)["status"] == "paused"
    assert books.refused("/subscriptions/s1/pause")[:2] == (409, "invalid_state_for_request")
    books.travel(days=10)
    made = books.post("/subscriptions/s1/resume")["subscription"]
    assert (made["status"], made["next_billing_at"]) == ("active", FEBRUARY)
    assert books.refused("/subscriptions/s1/resume")[:2] == (409, "invalid_state_for_request")
    assert len(books.rows("invoice")) == 1


def test_resumed_after_the_term_a_new_one_begins(books: Books) -> None:
    """After the end of the paid term, resuming begins a new one and bills it."""
    books.subscribe(id="s1")
    books.post("/subscriptions/s1/pause", resume_date=NOW + 100 * DAY)
    books.fresh()
    books.travel(days=120)
    assert books.fresh() == ["subscription_resumed", "invoice_generated", "payment_succeeded"]
    assert sub(books)["current_term_start"] == NOW + 100 * DAY


def test_scheduled_pause_goes_before_the_renewal(books: Books) -> None:
    """A pause at the term's end leaves no invoice for the next term; it can be removed, and so can the resumption."""
    books.subscribe(id="s1")
    books.post("/subscriptions/s1/pause", pause_option="end_of_term")
    assert (sub(books)["status"], sub(books)["pause_date"]) == ("active", FEBRUARY)
    books.post("/subscriptions/s1/remove_scheduled_pause")
    assert books.refused("/subscriptions/s1/remove_scheduled_pause")[0] == 409
    books.post("/subscriptions/s1/pause", pause_option="billing_cycles", skip_billing_cycles=2)
    books.travel(days=40)
    assert (sub(books)["status"], sub(books)["resume_date"]) == ("paused", month(2026, 4))
    assert len(books.rows("invoice")) == 1
    books.post("/subscriptions/s1/remove_scheduled_resumption")
    assert books.refused("/subscriptions/s1/remove_scheduled_resumption")[0] == 409
    books.post("/subscriptions/s1/resume", resume_option="specific_date", resume_date=NOW + 50 * DAY)
    books.travel(days=20)
    assert (sub(books)["status"], len(books.rows("invoice"))) == ("active", 2)


def test_upgrade_is_prorated(books: Books) -> None:
    """In the middle of the term the old plan's rest is credited and the new plan's rest is charged."""
    books.subscribe(id="s1")
    books.travel(days=15.5)
    books.fresh()
    made = books.post(
        "/subscriptions/s1/update_for_items", {"subscription_items[item_price_id][0]": "enterprise-USD-Monthly"}
    )
    assert [(note["total"], note["status"]) for note in made["credit_notes"]] == [(450, "refunded")]
    bill = made["invoice"]
    assert (bill["total"], bill["credits_applied"], bill["amount_paid"]) == (9_950, 450, 9_500)
    assert bill["line_items"][0]["proration_mode"] == "delta"
    assert [item["item_price_id"] for item in made["subscription"]["subscription_items"]] == ["enterprise-USD-Monthly"]
    assert (made["subscription"]["mrr"], made["subscription"]["next_billing_at"]) == (19_900, FEBRUARY)
    assert "subscription_changed" in books.fresh()


def test_change_without_proration(books: Books) -> None:
    """``prorate=false`` bills nothing now; the next renewal has the new price."""
    books.subscribe(id="s1")
    made = books.post(
        "/subscriptions/s1/update_for_items",
        {"subscription_items[item_price_id][0]": "enterprise-USD-Monthly"},
        prorate=False,
    )
    assert "invoice" not in made
    books.travel(days=31)
    assert books.rows("invoice")[-1]["total"] == 19_900


def test_add_and_remove_an_addon(books: Books) -> None:
    """Items that are not named stay; with ``replace_items_list`` they go."""
    books.subscribe(id="s1")
    added = books.post(
        "/subscriptions/s1/update_for_items", {"subscription_items[item_price_id][0]": "support-USD-Monthly"}
    )
    assert {row["item_price_id"] for row in added["subscription"]["subscription_items"]} == {
        "basic-USD-Monthly",
        "support-USD-Monthly",
    }
    assert (added["invoice"]["total"], "credit_notes" in added) == (1_500, False)
    gone = books.post(
        "/subscriptions/s1/update_for_items",
        {"subscription_items[item_price_id][0]": "basic-USD-Monthly", "replace_items_list": True},
    )
    assert (len(gone["subscription"]["subscription_items"]), gone["credit_notes"][0]["total"]) == (1, 1_500)


def test_another_period_begins_a_new_term(books: Books) -> None:
    """From months to years: a new term from now on, the rest of the month credited against it."""
    books.subscribe(id="s1")
    books.travel(days=15.5)
    made = books.post(
        "/subscriptions/s1/update_for_items", {"subscription_items[item_price_id][0]": "basic-USD-Yearly"}
    )
    value = made["subscription"]
    assert (value["billing_period_unit"], value["current_term_start"]) == ("year", NOW + int(15.5 * DAY))
    assert (made["invoice"]["total"], made["invoice"]["credits_applied"]) == (9_000, 450)


def test_changes_wait_for_the_end_of_the_term(books: Books) -> None:
    """``end_of_term``: shown as it will be, removable, and done by itself at the renewal, unprorated."""
    books.subscribe(id="s1")
    form = {"subscription_items[item_price_id][0]": "enterprise-USD-Monthly", "end_of_term": True}
    made = books.post("/subscriptions/s1/update_for_items", form)["subscription"]
    assert (made["has_scheduled_changes"], made["changes_scheduled_at"]) == (True, FEBRUARY)
    shown = books.get("/subscriptions/s1/retrieve_with_scheduled_changes")["subscription"]
    assert shown["subscription_items"][0]["item_price_id"] == "enterprise-USD-Monthly"
    assert sub(books)["subscription_items"][0]["item_price_id"] == "basic-USD-Monthly"
    books.post("/subscriptions/s1/remove_scheduled_changes")
    assert not sub(books)["has_scheduled_changes"]
    assert books.refused("/subscriptions/s1/remove_scheduled_changes")[0] == 409
    books.post("/subscriptions/s1/update_for_items", form)
    books.fresh()
    books.travel(days=31)
    assert books.fresh() == ["subscription_changed", "subscription_renewed", "invoice_generated", "payment_succeeded"]
    assert (books.rows("invoice")[-1]["total"], books.rows("credit_note")) == (19_900, [])


def test_change_of_the_term_end(books: Books) -> None:
    """A longer term is charged, a shorter one credited, where ``prorate`` asks for it; later terms start from there."""
    books.subscribe(id="s1")
    longer = books.post("/subscriptions/s1/change_term_end", term_ends_at=FEBRUARY + 31 * DAY, prorate=True)
    assert longer["invoice"]["total"] == 900
    shorter = books.post("/subscriptions/s1/change_term_end", term_ends_at=FEBRUARY, prorate=True)
    assert [note["total"] for note in shorter["credit_notes"]] == [900]
    assert books.refused("/subscriptions/s1/change_term_end", term_ends_at=NOW)[2] == "term_ends_at"
    books.travel(days=32)
    assert sub(books)["current_term_end"] == MARCH


def test_what_an_ended_subscription_refuses(books: Books) -> None:
    """A cancelled subscription cannot be changed, paused, resumed or cancelled; 409 each, and nothing changes."""
    books.subscribe(id="s1")
    books.post("/subscriptions/s1/cancel_for_items")
    form = {"subscription_items[item_price_id][0]": "scale-USD-Monthly"}
    for path, sent in (
        ("update_for_items", form),
        ("pause", {}),
        ("resume", {}),
        ("cancel_for_items", {}),
        ("change_term_end", {"term_ends_at": NOW + DAY}),
        ("remove_scheduled_pause", {}),
        ("remove_scheduled_resumption", {}),
        ("remove_scheduled_changes", {}),
        ("remove_scheduled_cancellation", {}),
    ):
        assert books.refused(f"/subscriptions/s1/{path}", sent)[:2] == (409, "invalid_state_for_request"), path
    back = books.post("/subscriptions/s1/update_for_items", {**form, "reactivate": True})
    assert (back["subscription"]["status"], back["invoice"]["total"]) == ("active", 4_900)


def test_deleting(books: Books) -> None:
    """A deleted subscription is found no more, is never billed again, and takes its unbilled charges along."""
    books.subscribe(id="s1", invoice_immediately=False)
    assert books.row("customer", "ada")["unbilled_charges"] == 900
    books.post("/subscriptions/s1/delete")
    assert books.send("GET", "/subscriptions/s1")[0] == 404
    assert books.row("customer", "ada")["unbilled_charges"] == 0
    books.travel(days=400)
    assert books.rows("invoice") == []


@pytest.mark.parametrize(
    ("form", "status", "date"),
    [
        ({"pause_option": "specific_date", "pause_date": NOW + 3 * DAY}, "paused", NOW + 3 * DAY),
        ({"change_option": "specific_date"}, "active", NOW + 4 * DAY),
    ],
)
def test_on_a_date_within_the_term(books: Books, form: dict[str, Any], status: str, date: int) -> None:
    """A pause or a change on a date happens on that date; the change is prorated from there."""
    books.subscribe(id="s1")
    if "pause_option" in form:
        books.post("/subscriptions/s1/pause", form)
    else:
        items = {"subscription_items[item_price_id][0]": "enterprise-USD-Monthly", "changes_scheduled_at": date}
        books.post("/subscriptions/s1/update_for_items", form | items)
    books.travel(days=5)
    assert sub(books)["status"] == status
    if status == "paused":
        assert sub(books)["pause_date"] == date
    else:
        assert [row["date"] for row in books.rows("invoice")] == [NOW, date]
        assert books.rows("credit_note")[0]["date"] == date
