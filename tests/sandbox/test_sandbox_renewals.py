"""Renewals: once each and in order; cards that fail, dunning, seeded business, plans of Product Catalog 1.0."""

from __future__ import annotations

from datetime import UTC, datetime

from .books import DAY, FAILING, FEBRUARY, MARCH, NOW, REFUSED, Books, month, sub


def test_renewals_happen_once_each_and_in_order(books: Books) -> None:
    """Three months in one journey are three terms, three invoices, three payments, each dated at its own time."""
    books.subscribe(id="s1")
    books.fresh()
    books.travel(days=92)
    assert books.fresh() == ["subscription_renewed", "invoice_generated", "payment_succeeded"] * 3
    assert [row["date"] for row in books.rows("invoice")] == [NOW, FEBRUARY, MARCH, month(2026, 4)]
    assert [row["date"] for row in books.rows("transaction")] == [NOW, FEBRUARY, MARCH, month(2026, 4)]
    assert {row["source"] for row in books.events()[-9:]} == {"scheduled_job"}
    assert sub(books)["next_billing_at"] == month(2026, 5)
    books.travel(days=0)
    assert books.fresh() == []


def test_many_small_journeys_are_one_large_one() -> None:
    """Whether time passes at once or in pieces, the same rows are there afterwards."""
    ends = []
    for steps in (1, 23):
        books = Books()
        books.customer()
        books.subscribe(id="s1")
        for _ in range(steps):
            books.travel(seconds=92 * DAY / steps)
        ends.append([row["date"] for row in books.rows("invoice")])
    assert ends[0] == ends[1]


def test_a_31st_comes_back() -> None:
    """A term that began on the 31st ends on the last day of a short month, and on the 31st of a long one."""
    books = Books()
    books.travel(days=30)
    books.customer()
    books.subscribe(id="s1")
    books.travel(days=150)
    starts = [datetime.fromtimestamp(row["date"], UTC).strftime("%m-%d") for row in books.rows("invoice")]
    assert starts == ["01-31", "02-28", "03-31", "04-30", "05-31", "06-30"]


def test_declined_cards() -> None:
    """Refused numbers are 402 and leave nothing; a card that fails when charged refuses a whole new subscription."""
    books = Books()
    books.customer("eve", number=None)
    card = {"customer_id": "eve", "card[expiry_month]": 1, "card[expiry_year]": 2030}
    assert books.refused("/payment_sources/create_card", card | {"card[number]": REFUSED})[:2] == (
        402,
        "payment_method_verification_failed",
    )
    books.post("/payment_sources/create_card", card | {"card[number]": FAILING})
    form = {"subscription_items[item_price_id][0]": "basic-USD-Monthly"}
    assert books.refused("/customers/eve/subscription_for_items", form)[:2] == (402, "payment_processing_failed")
    assert (books.rows("subscription"), books.rows("invoice"), books.rows("transaction")) == ([], [], [])


def test_dunning_gives_up_in_the_end() -> None:
    """A renewal that fails is tried five times over sixteen days; then the invoice is not paid, the rest cancelled."""
    books = Books()
    books.customer("eve", number=FAILING)
    books.subscribe("team-USD-Monthly", customer="eve", id="s1")
    books.travel(days=14)
    bill = books.rows("invoice")[0]
    assert (bill["status"], bill["dunning_status"], bill["next_retry_at"]) == (
        "payment_due",
        "in_progress",
        NOW + 15 * DAY,
    )
    books.travel(days=16)
    bill = books.rows("invoice")[0]
    assert (bill["status"], bill["dunning_status"], len(bill["dunning_attempts"])) == ("not_paid", "exhausted", 5)
    assert (sub(books)["status"], sub(books)["cancel_reason"]) == ("cancelled", "not_paid")
    assert books.fresh().count("payment_failed") == 5


def test_dunning_succeeds_with_another_card() -> None:
    """A new primary card is charged at the next attempt."""
    books = Books()
    books.customer("eve", number=FAILING)
    books.subscribe("team-USD-Monthly", customer="eve", id="s1")
    books.travel(days=14.5)
    books.post(
        "/payment_sources/create_card",
        {
            "customer_id": "eve",
            "card[number]": "4242424242424242",
            "card[expiry_month]": 1,
            "card[expiry_year]": 2030,
            "replace_primary_payment_source": True,
        },
    )
    books.travel(days=1)
    bill = books.rows("invoice")[0]
    assert (bill["status"], bill["dunning_status"]) == ("paid", "success")
    assert sub(books)["status"] == "active"


def test_a_card_expires_while_time_travels() -> None:
    """A card whose last month is over is declined at the renewal."""
    books = Books()
    books.customer("eve", number=None)
    books.post(
        "/payment_sources/create_card",
        {"customer_id": "eve", "card[number]": "4242424242424242", "card[expiry_month]": 1, "card[expiry_year]": 2026},
    )
    books.subscribe(customer="eve", id="s1")
    books.travel(days=31)
    assert books.rows("transaction")[-1]["error_code"] == "expired_card"


def test_plans_and_addons_live_the_same_life() -> None:
    """Product Catalog 1.0: created, changed in the middle of the term, renewed."""
    books = Books(catalog="pc1")
    books.customer()
    made = books.post(
        "/customers/ada/subscriptions",
        {"id": "p1", "plan_id": "basic-usd-monthly", "addons[id][0]": "support-usd-monthly"},
    )
    assert (made["invoice"]["total"], made["subscription"]["addons"][0]["amount"]) == (2_400, 1_500)
    books.travel(days=15.5)
    made = books.post("/subscriptions/p1", plan_id="enterprise-usd-monthly")
    assert (made["invoice"]["total"], made["credit_notes"][0]["total"]) == (9_950, 450)
    books.travel(days=16)
    assert books.rows("invoice")[-1]["total"] == 21_400


def test_seeded_business_runs_once_the_clock_travels() -> None:
    """Seeded subscriptions stand still until the first journey; then they renew, end and resume as all others do."""
    books = Books(records=40)
    statuses = {row["id"]: row["status"] for row in books.rows("subscription")}
    bills = len(books.rows("invoice"))
    books.clock.advance(90 * DAY)
    books.site.catch_up()
    assert (len(books.rows("invoice")), {row["id"]: row["status"] for row in books.rows("subscription")}) == (
        bills,
        statuses,
    )
    books.travel(days=400)
    now = {row["id"]: row["status"] for row in books.rows("subscription")}
    assert len(books.rows("invoice")) > bills + 100
    assert {id for id, status in now.items() if status in ("future", "in_trial")} == set()
    assert all(now[id] == "cancelled" for id, status in statuses.items() if status in ("cancelled", "non_renewing"))
    future = [row for row in books.rows("subscription") if row["status"] == "active"]
    assert all(row["next_billing_at"] > NOW + 490 * DAY for row in future)


def test_unknown_and_bad_parameters() -> None:
    """Limits and enums of the description are checked, with the parameter's own spelling; so are references."""
    books = Books()
    books.customer()
    books.subscribe(id="s1")
    for path, form, code in (
        ("/subscriptions/s1/pause", {"pause_option": "never"}, "pause_option"),
        ("/subscriptions/s1/pause", {"pause_option": "specific_date"}, "pause_date"),
        ("/subscriptions/s1/change_term_end", {}, "term_ends_at"),
        ("/subscriptions/s1/update_for_items", {"coupon_ids[0]": "nope"}, "coupon_ids[0]"),
        (
            "/subscriptions/s1/update_for_items",
            {"subscription_items[item_price_id][0]": "basic-EUR-Monthly"},
            "subscription_items[item_price_id][0]",
        ),
    ):
        assert books.refused(path, form)[2] == code, path


def test_charges_wait_for_the_renewal(books: Books) -> None:
    """A charge at the term's end is on the renewal's invoice."""
    books.subscribe(id="s1")
    books.post("/subscriptions/s1/add_charge_at_term_end", amount=250, description="Extra")
    assert books.row("customer", "ada")["unbilled_charges"] == 250
    books.travel(days=31)
    assert books.rows("invoice")[-1]["total"] == 1_150


def test_dates_changed_from_outside_count(books: Books) -> None:
    """A test that moves a renewal by hand sees it happen on the new day."""
    books.subscribe(id="s1")
    value = sub(books) | {"next_billing_at": NOW + 5 * DAY, "current_term_end": NOW + 5 * DAY}
    books.site.desk.save("subscription", value)
    books.travel(days=6)
    assert [row["date"] for row in books.rows("invoice")] == [NOW, NOW + 5 * DAY]
