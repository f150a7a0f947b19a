import asyncio
import json
from typing import Any

import pytest
from tests.cli.conftest import Terminal
from tests.cli.test_bills import AT_US, FILE, book

from trimtab.domain.billing import EventState, MeterEvent
from trimtab.store.sqlite.outbox import SqliteOutbox
from trimtab.testing import FrozenClock


@pytest.fixture
def shop(terminal: Terminal, clock: FrozenClock) -> Terminal:
    text = FILE.replace("acme: {", "acme: {stripe_customer: cus_1, ")
    (terminal.home / "trimtab.yaml").write_text(f"{text}\nstripe: {{key: env:STRIPE_KEY}}\n")
    terminal.run("apply")
    clock.advance((AT_US - clock.now_us()) / 1e6 + 86_400)
    return terminal


def put(terminal: Terminal, cents: int, state: EventState, doubt_us: int | None = None) -> None:
    event = MeterEvent(
        id=f"e{cents}",
        tenant_id="acme",
        month="2026-03",
        customer="cus_1",
        cents=cents,
        made_us=AT_US,
        due_us=AT_US * 2,
        tries=1,
        error="answer 400: no",
        state=state,
        doubt_us=doubt_us,
    )

    async def go() -> None:
        outbox = SqliteOutbox(terminal.home / ".trimtab")
        pushed = sum(it.cents for it in await outbox.pushed())
        assert await outbox.put(event, pushed_cents=pushed)
        outbox.close()

    asyncio.run(go())


def shown(terminal: Terminal, *options: str) -> Any:  # noqa: ANN401 -- JSON
    return json.loads(terminal.run("bills", "outbox", "--json", *options).stdout)


def states(told: Any) -> dict[str, str]:  # noqa: ANN401 -- JSON
    return {it["id"]: it["state"] for it in told["events"]}


def test_without_anything_recorded_nothing_is_passed_on(shop: Terminal) -> None:
    assert shop.run("bills", "outbox").stdout == "no bill is passed on\n"


def test_what_was_passed_on_stands_beside_the_bill_and_what_waits(shop: Terminal) -> None:
    book(shop, 1, "2")
    put(shop, 100, EventState.WAITING)
    put(shop, 50, EventState.REFUSED)

    (tenant,) = shown(shop)["tenants"]
    said = shop.run("bills", "outbox").stdout

    assert tenant["not_passed_on_cents"] == 300 - 150
    assert tenant["months"] == [
        {"month": "2026-03", "bill_cents": 300, "passed_on_cents": 150, "waiting_cents": 150}
    ]
    assert "refused  e50  0.50 USD" in said
    assert "answer 400: no" in said


def test_more_than_owed_is_said_to_come_off_what_is_next(shop: Terminal) -> None:
    book(shop, 1, "2")
    put(shop, 420, EventState.WAITING)

    assert "acme: 1.20 USD more than owed were passed on" in shop.run("bills", "outbox").stdout


def test_what_was_refused_is_sent_again_and_what_is_unsure_only_by_name(shop: Terminal) -> None:
    put(shop, 1, EventState.REFUSED)
    put(shop, 2, EventState.UNSURE, doubt_us=5)

    assert states(shown(shop, "--retry")) == {"e1": "waiting", "e2": "unsure"}
    told = shown(shop, "--retry", "e2")

    assert states(told) == {"e1": "waiting", "e2": "waiting"}
    assert [it["doubt_us"] for it in told["events"]] == [None, None]
    assert all(it["due_us"] < AT_US * 2 for it in told["events"])


def test_what_has_arrived_is_let_go_of_and_stays_counted(shop: Terminal) -> None:
    put(shop, 7, EventState.UNSURE)

    told = shown(shop, "--arrived", "e7")

    assert (told["events"], told["tenants"][0]["months"][0]["passed_on_cents"]) == ([], 7)


@pytest.mark.parametrize("option", ["--retry", "--arrived"])
def test_an_event_that_is_not_there_is_said_to_be(shop: Terminal, option: str) -> None:
    book(shop, 1, "2")

    assert "no event 'e9' waits" in shop.run("bills", "outbox", option, "e9", code=2).stderr
