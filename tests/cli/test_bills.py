import asyncio
import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace
from tests.cli.conftest import Terminal
from tests.records import finish, line_of

from trimtab.domain.ids import request_id
from trimtab.store.base.recording import Batch
from trimtab.store.sqlite.recording import SqliteRecording
from trimtab.testing import FrozenClock, seeded_entropy

FILE = """
version: 1
providers:
  openai: {wire: openai, url: "https://api.openai.com/v1", key: env:KEY}
models:
  chat: {kind: alias, to: openai/gpt-5}
tiers:
  smb: {models: [chat], plan: {markup: 20%}}
tenants:
  acme: {tier: smb, timezone: Europe/Rome, plan: {markup: 20%, features: {search: 50%}}}
  globex: {tier: smb}
"""
MONTH = "2026-03"
AT_US = round(datetime(2026, 3, 10, tzinfo=UTC).timestamp()) * 1_000_000


@pytest.fixture
def shop(terminal: Terminal, clock: FrozenClock) -> Terminal:
    (terminal.home / "trimtab.yaml").write_text(FILE)
    terminal.run("apply")
    clock.advance((AT_US - clock.now_us()) / 1e6 + 60 * 86_400)
    return terminal


def book(terminal: Terminal, seed: int, usd: str, tenant: str = "acme", **fields: object) -> None:
    """Book a line of so many USD."""
    nano = round(float(usd) * 10**9)
    identifier = request_id(AT_US, seeded_entropy(seed))
    made = finish(
        seed, day_local=f"{MONTH}-10", request_id=identifier, ts_us=AT_US, tenant_id=tenant
    )
    members = {"feature": "search", "model_requested": "chat", "cost_nano": nano, **fields}
    line = replace(line_of(made.record, day_local=f"{MONTH}-10"), **members)
    store = SqliteRecording(terminal.home / ".trimtab")
    asyncio.run(store.commit(Batch(finishes=(replace(made, lines=(line,)),))))
    store.close()


def shown(terminal: Terminal, month: str = MONTH) -> Any:  # noqa: ANN401 -- JSON
    asked = ("bills", "show", "acme", "--month", month, "--format", "json")
    return json.loads(terminal.run(*asked).stdout)


def test_a_bill_is_cost_plus_the_plan(shop: Terminal) -> None:
    book(shop, 1, "2")
    book(shop, 2, "10", feature="support")
    book(shop, 3, "5", origin="eval")

    said = shown(shop)

    assert [(it["feature"], it["cents"]) for it in said["lines"]] == [
        ("search", 300),
        ("support", 1200),
    ]
    assert (said["total_usd"], said["closed"]) == ("15.00", False)
    assert (
        "total 15.00 USD for acme 2026-03, open"
        in shop.run("bills", "show", "acme", "--month", MONTH).stdout
    )


def test_a_tenant_without_a_plan_has_that_of_its_tier(shop: Terminal) -> None:
    book(shop, 1, "2", tenant="globex")

    said = shop.run("bills", "show", "globex", "--month", MONTH).stdout

    assert "total 2.40 USD for globex" in said


def test_files_for_programs_hold_the_same(shop: Terminal) -> None:
    book(shop, 1, "2")
    asked = ("bills", "show", "acme", "--month", MONTH, "--format")

    (row,) = csv.DictReader(io.StringIO(shop.run(*asked, "csv").stdout))
    (focus,) = csv.DictReader(io.StringIO(shop.run(*asked, "focus", "--issuer", "Us").stdout))

    assert (row["cost_usd"], row["markup"], row["usd"]) == ("2", "50 %", "3.00")
    assert (focus["BilledCost"], focus["InvoiceIssuerName"]) == ("3.00", "Us")


def test_a_closed_month_stays_and_what_comes_later_is_on_the_next_bill(shop: Terminal) -> None:
    book(shop, 1, "2")
    closed = shop.json("bills", "close", "acme", "--month", MONTH, "--reason", "sent")
    assert closed["change"]["after"]["total_cents"] == 300
    text = FILE.replace("search: 50%", "search: 90%")
    (shop.home / "trimtab.yaml").write_text(text)
    shop.run("apply")

    book(shop, 2, "1")

    said = shop.run("bills", "show", "acme", "--month", MONTH).stdout
    assert "total 3.00 USD for acme 2026-03, closed" in said
    after = shown(shop, "2026-04")
    assert [(it["month"], it["adjustment"], it["cents"]) for it in after["lines"]] == [
        (MONTH, True, 150)
    ]


def test_a_closed_month_cannot_be_closed_again_or_opened(shop: Terminal) -> None:
    book(shop, 1, "2")
    closing = ("bills", "close", "acme", "--month", MONTH, "--reason", "sent")
    seq = shop.json(*closing)["change"]["seq"]

    assert "is closed; what came later is on the next bill" in shop.run(*closing, code=2).stderr
    undone = shop.run("changes", "undo", str(seq), "--reason", "oh", code=2)
    assert "set right by adjustments, on the next bill" in undone.stderr
    shop.run("apply")
    assert shown(shop)["closed"]


def test_a_month_that_is_not_over_where_the_tenant_lives_stays_open(
    shop: Terminal, clock: FrozenClock
) -> None:
    book(shop, 1, "2")
    # Summer time: May begins at 22:00 UTC in Rome.
    turn = datetime(2026, 4, 30, 22, tzinfo=UTC).timestamp()
    clock.advance(turn - 1 - clock.now_us() / 1e6)
    closing = ("bills", "close", "acme", "--month", "2026-04", "--reason", "sent")

    assert "2026-04 is not over where tenant 'acme' lives" in shop.run(*closing, code=2).stderr
    clock.advance(1)
    shop.run(*closing)


def test_without_a_month_it_is_the_running_one_where_the_tenant_lives(
    shop: Terminal, clock: FrozenClock
) -> None:
    book(shop, 1, "2")
    turn = datetime(2026, 4, 30, 22, tzinfo=UTC).timestamp()
    clock.advance(turn - clock.now_us() / 1e6)

    assert "for acme 2026-05, open" in shop.run("bills", "show", "acme").stdout
    assert "for globex 2026-04, open" in shop.run("bills", "show", "globex").stdout


def test_who_is_not_there_and_what_is_no_month_is_told(shop: Terminal) -> None:
    asked = ("bills", "show", "nobody", "--month", MONTH)
    assert "there is no tenant 'nobody'" in shop.run(*asked, code=2).stderr
    assert "as 2026-10" in shop.run("bills", "show", "acme", "--month", "2026-3", code=2).stderr


@pytest.mark.parametrize("markup", ["lots", "20.00001%", "-101%", "true"])
def test_a_markup_that_is_none_is_refused(shop: Terminal, markup: str) -> None:
    (shop.home / "trimtab.yaml").write_text(FILE.replace("{markup: 20%}", f"{{markup: {markup}}}"))

    assert "tiers.smb.plan.markup" in shop.run("apply", code=2).stderr
