import asyncio
import dataclasses
from contextlib import closing
from csv import DictReader
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

import httpx2
import pytest
from msgspec.structs import replace
from tests.cli.conftest import Terminal
from tests.console.conftest import ORIGIN, PHRASE, V1, ChangeBook, Stores, console_of
from tests.records import finish

from trimtab import wiring
from trimtab.console.app import create_app
from trimtab.console.auth import hash_password
from trimtab.console.text import usd_exact
from trimtab.domain.change import Pointer, PointerKind, Source
from trimtab.domain.ids import TenantId
from trimtab.domain.money import usd_text
from trimtab.domain.record import Finish
from trimtab.store.base.control import Account
from trimtab.store.base.recording import Batch
from trimtab.store.relational.spend import Spend
from trimtab.store.sqlite.recording import SqliteRecording
from trimtab.testing import FrozenClock, seeded_entropy

DAY_US = 86_400_000_000
NEW_YEAR_US = 1_767_225_600_000_000


@pytest.fixture
def books(company: Terminal) -> Terminal:
    """Three requests on three days of January, two of them of one prompt."""
    told = [
        {"prompt_name": "rag-answer", "prompt_version": "3.2.0", "feature": "=search"},
        {"prompt_name": "rag-answer", "prompt_version": "3.3.0", "feature": "=search"},
        {"feature": "chat"},
    ]
    finishes = [
        finish(n, tenant_id="acme", ts_us=NEW_YEAR_US + n * DAY_US, day_local="", **it)
        for n, it in enumerate(told)
    ]
    with closing(SqliteRecording(company.home / ".trimtab")) as store:
        asyncio.run(store.commit(Batch(finishes=tuple(finishes))))
    return company


def rows(books: Terminal, *arguments: str) -> list[tuple[str, int]]:
    told = books.json("costs", "--by", "day", *arguments)["rows"]
    return sorted((it["day"], it["requests"]) for it in told)


def test_a_span_of_days_has_both_its_ends(books: Terminal) -> None:
    assert rows(books, "--from", "2026-01-02", "--to", "2026-01-03") == [
        ("2026-01-02", 1),
        ("2026-01-03", 1),
    ]
    assert len(rows(books, "--month", "2026-01")) == 3


def test_the_cost_of_a_change_of_prompt_is_seen(books: Terminal) -> None:
    told = books.json("costs", "--month", "2026-01", "--by", "prompt_name,prompt_version")["rows"]

    assert {(it["prompt_name"], it["prompt_version"]): it["requests"] for it in told} == {
        ("rag-answer", "3.2.0"): 1,
        ("rag-answer", "3.3.0"): 1,
        ("", ""): 1,
    }


def test_csv_holds_no_formulas(books: Terminal) -> None:
    head, *lines = books.run(
        "costs", "--month", "2026-01", "--by", "feature", "--csv"
    ).stdout.splitlines()

    assert head.startswith("feature,requests,input_tokens")
    assert sorted(line.split(",")[:2] for line in lines) == [["'=search", "2"], ["chat", "1"]]


def test_the_month_of_a_tenant_is_that_of_its_calendar(
    company: Terminal, clock: FrozenClock
) -> None:
    clock.advance(NEW_YEAR_US / 1e6 - 60 - clock.now_us() / 1e6)
    control, key = company.control, TenantId("acme")
    acme = asyncio.run(control.snapshot()).tenants[key]
    moved = replace(acme, timezone="Europe/Rome")
    pointer = Pointer(PointerKind.TENANT, "acme")
    asyncio.run(control.move(pointer, moved, reason="x", author="ana", source=Source.CLI))
    with closing(SqliteRecording(company.home / ".trimtab")) as store:
        asyncio.run(store.commit(Batch()))

    told = company.json("costs", "--tenant", "acme")

    assert told["since_us"] == NEW_YEAR_US
    assert told["as_of_us"] == NEW_YEAR_US - 60_000_000
    assert company.json("costs")["until_us"] == NEW_YEAR_US


def test_it_says_how_complete_it_is(books: Terminal) -> None:
    told = books.run("costs").stdout.splitlines()[-1]

    assert told == "complete; not reconciled with a provider's bill"
    assert books.json("costs")["waiting_bytes"] == 0


@pytest.mark.parametrize("tenant", [None, "acme"])
def test_commands_calls_pages_and_files_say_the_sum_of_ledger_lines(
    company: Terminal, clock: FrozenClock, tenant: str | None
) -> None:
    chance, home = Random(7), company.home / ".trimtab"  # noqa: S311 -- the same each time
    with closing(SqliteRecording(home)) as store:
        finishes = [by_chance(n, chance) for n in range(200)]
        asyncio.run(store.commit(Batch(finishes=tuple(finishes))))
        lines = [it for made in finishes for it in made.lines]
        late = replace(lines[0], line_id="late", kind="adjustment", cost_nano=-3, origin="live")
        asyncio.run(store.adjust([late]))
    asked = [
        "--month",
        "2026-01",
        "--by",
        "feature,model",
        *(("--tenant", "acme") if tenant else ()),
    ]
    of = f"month=2026-01{f'&tenant={tenant}' if tenant else ''}"

    spent = sum(
        it.cost_nano or 0
        for it in (*lines, late)
        if it.origin == "live" and tenant in (None, it.tenant_id)
        if (it.day_local if tenant else day_of(it.ts_us)).startswith("2026-01")
    )
    printed = company.json("costs", *asked)
    command_csv = company.run("costs", *asked, "--csv").stdout
    table = company.run("costs", *asked).stdout
    called, shown, downloaded = asyncio.run(console_says(home, clock, of))

    assert spent > 10**18
    assert printed["cost_nano"] == called["cost_nano"] == spent
    assert f"total {usd_text(spent)} USD" in table
    assert f'title="{usd_exact(spent)}"' in shown
    assert downloaded == command_csv
    assert sum(int(row["cost_nano"]) for row in DictReader(StringIO(downloaded))) == spent
    assert called["rows"] == printed["rows"]


def by_chance(n: int, chance: Random) -> Finish:
    ts_us = NEW_YEAR_US + chance.randrange(-2 * DAY_US, 33 * DAY_US)
    return finish(
        n,
        ts_us=ts_us,
        day_local=day_of(ts_us + 3_600_000_000),
        tenant_id=chance.choice(["acme", "hobby"]),
        feature=chance.choice(["search", "=chat", ""]),
        origin=chance.choice(["live", "live", "shadow"]),
        cost_nano=chance.choice([None, 0, chance.randrange(1 << 58)]),
    )


def day_of(ts_us: int) -> str:
    return f"{datetime.fromtimestamp(ts_us // 1_000_000, UTC):%Y-%m-%d}"


async def console_says(home: Path, clock: FrozenClock, of: str) -> tuple[Any, str, str]:
    """Ask the admin API, the page and its file."""
    stores = Stores(clock)
    stored = hash_password(PHRASE, seeded_entropy())
    await stores.put_account(Account(name="viewer", role="viewer", password=stored))
    reading = wiring.records(home)
    console = console_of(stores, ChangeBook(clock), clock)
    app = create_app(dataclasses.replace(console, rollups=reading, spend=Spend(reading)))
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        await client.post("/console/login", data={"name": "viewer", "password": PHRASE})
        by = "feature,model"
        called = await client.get(f"{V1}/costs?{of}&group_by={by}")
        page = await client.get(f"/console/costs?{of}&by={by}")
        file = await client.get(f"/console/costs.csv?{of}&by={by}")
    return called.json(), page.text, file.text


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--month", "2026-13"), "cannot be read; write it as 2026-10"),
        (("--from", "yesterday"), "cannot be read; write it as 2026-10-01"),
        (("--from", "2026-01-03", "--to", "2026-01-01"), "the first day comes first"),
        (("--to", "2026-01-01"), "give a month, or the first day"),
        (("--month", "2026-01", "--from", "2026-01-01"), "give a month, or the first day"),
        (("--by", "mood"), "cannot group by 'mood'"),
    ],
)
def test_a_span_that_is_none_is_refused(
    company: Terminal, arguments: tuple[str, ...], told: str
) -> None:
    assert told in company.run("costs", *arguments, code=2).stderr
