import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.cli.conftest import Terminal
from tests.records import finish, line_of

from trimtab.cost.lock import Lock, Row, build_lock, encode_lock, shipped_lock
from trimtab.domain.ids import request_id
from trimtab.domain.record import LedgerLine
from trimtab.store.base.recording import Batch
from trimtab.store.sqlite.recording import SqliteRecording
from trimtab.testing import FrozenClock, seeded_entropy
from trimtab.wiring.pricing import keep_shipped

FILE = """
version: 1
providers:
  openai: {wire: openai, url: "https://api.openai.com/v1", key: env:KEY}
models:
  chat: {kind: alias, to: openai/gpt-5}
tiers:
  smb: {models: [chat]}
tenants:
  acme: {tier: smb, prices: {"openai/gpt-5": {discount: 10%}}}
  globex: {tier: smb}
"""
GPT_5 = "openai/gpt-5"


@pytest.fixture
def shop(terminal: Terminal) -> Terminal:
    (terminal.home / "trimtab.yaml").write_text(FILE)
    terminal.run("apply")
    return terminal


def with_output_at(price: str) -> Lock:
    """The shipped list, but for the output of gpt-5."""

    def moved(row: Row) -> Row:
        if row.id != GPT_5:
            return row
        (tier,) = row.usd_per_mtok
        return replace(row, usd_per_mtok=(replace(tier, output=price),))

    lock = shipped_lock()
    assert any(it.id == GPT_5 for it in lock.rows)
    return build_lock("a test", [moved(it) for it in lock.rows])


def written(terminal: Terminal, lock: Lock) -> str:
    path = terminal.home / "other.json"
    path.write_bytes(encode_lock(lock))
    return str(path)


def book(
    terminal: Terminal, clock: FrozenClock, tenant_id: str = "globex", **fields: object
) -> LedgerLine:
    """Book a line of 1,000,000 tokens each way: 1.25 + 10 USD."""
    day = datetime.fromtimestamp(clock.now_us() / 1e6, UTC).date().isoformat()
    made = finish(
        7,
        day_local=day,
        request_id=request_id(clock.now_us(), seeded_entropy(len(tenant_id))),
        ts_us=clock.now_us(),
        tenant_id=tenant_id,
    )
    members = {
        "provider": "openai",
        "model_sent": "gpt-5",
        "model_requested": "chat",
        "input_tokens": 1_000_000,
        "cached_tokens": None,
        "cache_write_5m": None,
        "output_tokens": 1_000_000,
        "context": "",
        "extras": "",
        "usage_source": "provider",
        "price_version": shipped_lock().price_version,
        "cost_nano": 11_250_000_000,
        "day_local": day,
        **fields,
    }
    line = replace(line_of(made.record), **members)
    store = SqliteRecording(terminal.home / ".trimtab")
    asyncio.run(store.commit(Batch(finishes=(replace(made, lines=(line,)),))))
    store.close()
    return line


def test_shows_what_a_name_costs(shop: Terminal) -> None:
    said = shop.run("prices", "show", "chat").stdout

    assert said.startswith(
        f"openai/gpt-5  row openai/gpt-5  always  {shipped_lock().price_version}"
    )
    ordinary = next(line.split() for line in said.splitlines() if line.startswith("ordinary"))
    assert ordinary == ["ordinary", "0", "1.25", "0.125", "1.25", "1.25", "1.25", "1.25", "10"]
    assert "tenant acme pays by its contract; add --tenant acme" in said


def test_shows_what_a_tenant_pays_by_its_contract(shop: Terminal) -> None:
    (shown,) = shop.json("prices", "show", "openai/gpt-5", "--tenant", "acme")["prices"]

    ordinary = shown["services"]["ordinary"]
    assert ordinary["row"] == "openai/gpt-5 override:openai/gpt-5"
    assert ordinary["tiers"][0]["usd_per_mtok"]["output"] == "9"


def test_what_nobody_knows_is_told(shop: Terminal) -> None:
    assert "no price at" in shop.run("prices", "show", "openai/nobody").stdout
    assert "no model 'nobody'" in shop.run("prices", "show", "nobody", code=2).stderr
    assert "is no date" in shop.run("prices", "show", "chat", "--at", "soon", code=2).stderr
    assert "never used" in shop.run("prices", "show", "chat", "--set", "ps_0", code=2).stderr


def test_prices_in_order_are_checked(shop: Terminal) -> None:
    said = shop.run("prices", "check").stdout

    assert f"{shipped_lock().price_version}  {len(shipped_lock().rows):,} rows" in said


def test_a_model_without_a_price_and_hidden_overrides_are_faults(shop: Terminal) -> None:
    text = FILE.replace("openai/gpt-5}", "openai/nobody}") + (
        'prices: {overrides: {"openai/x": [{input: 1, output: 1}, {input: 2, output: 2}],'
        ' "openai/y": {input: 1, output: 1, context: {teir: flex}}}}\n'
    )
    (shop.home / "trimtab.yaml").write_text(text)
    shop.run("apply")

    found = shop.json("prices", "check", code=1)["findings"]

    assert [it["text"].split(";")[0] for it in found if it["fault"]] == [
        "override 'openai/y' is for `teir: flex`, a service that no price list knows",
        "override 'openai/x' has two entries for one time",
        "model 'chat' leads to 'openai/nobody', which has no price",
    ]


def test_a_diff_writes_nothing_and_tells_the_effect(shop: Terminal, clock: FrozenClock) -> None:
    book(shop, clock)
    book(shop, clock, tenant_id="acme", price_version="ps_acme", cost_nano=0)

    said = shop.run("prices", "diff", "--lock", written(shop, with_output_at("9")), code=1).stdout

    assert "a test: 1 rows change, 0 added, 0 removed" in said
    assert "  openai/gpt-5  changed   used by chat, openai/gpt-5" in said
    assert "output  10 -> 9" in said
    # 11.25 and 10.125 before; 1 and 0.9 less
    assert "effect on the last 28 days of traffic: -1.9 USD (-8.9 %)" in said
    assert "tenant globex  -1 USD" in said
    assert "tenant acme  -0.9 USD" in said
    assert shop.json("changes", "list", "--pointer", "prices/list")["changes"] == []


def test_the_same_list_changes_nothing(shop: Terminal) -> None:
    said = shop.run("prices", "diff", "--lock", written(shop, shipped_lock())).stdout

    assert "0 rows change, 0 added, 0 removed" in said


def test_an_update_is_one_change_that_holds_what_differs_and_can_be_undone(shop: Terminal) -> None:
    file = written(shop, with_output_at("9"))

    change = shop.json("prices", "update", "--lock", file, "--reason", "cheaper")["change"]

    assert list(change["after"]["models"]) == [GPT_5]
    assert "  9\n" in shop.run("prices", "show", "chat").stdout
    assert (
        shop.json("prices", "show", "chat", "--tenant", "acme")["prices"][0]["services"][
            "ordinary"
        ]["tiers"][0]["usd_per_mtok"]["output"]
        == "8.1"
    )
    shop.run("apply")
    assert "  9\n" in shop.run("prices", "show", "chat").stdout, "the file says nothing of it"

    shop.run("changes", "undo", str(change["seq"]), "--reason", "wrong list")

    assert "  10\n" in shop.run("prices", "show", "chat").stdout


def test_the_shipped_list_comes_back(shop: Terminal) -> None:
    file = written(shop, with_output_at("9"))
    shop.run("prices", "update", "--lock", file, "--reason", "cheaper")

    shop.run("prices", "update", "--shipped", "--reason", "back")

    assert "  10\n" in shop.run("prices", "show", "chat").stdout


def test_every_set_ever_used_can_be_read(shop: Terminal) -> None:
    keep_shipped(shop.home / ".trimtab")
    before = shop.json("prices", "show", "chat")["prices"][0]["price_version"]
    own = shop.json("prices", "show", "chat", "--tenant", "acme")["prices"][0]["price_version"]
    shop.run("prices", "update", "--lock", written(shop, with_output_at("9")), "--reason", "r")
    later = shop.json("prices", "show", "chat")["prices"][0]["price_version"]

    outputs = [
        shop.json("prices", "show", "chat", "--set", it)["prices"][0]["services"]["ordinary"][
            "tiers"
        ][0]["usd_per_mtok"]["output"]
        for it in (before, own, later)
    ]

    assert outputs == ["10", "9", "9"]


def test_a_list_that_cannot_be_used_is_refused(shop: Terminal) -> None:
    rows = [it for it in shipped_lock().rows if it.id == GPT_5]
    twice = build_lock("a test", [*rows, *rows])

    said = shop.run("prices", "update", "--lock", written(shop, twice), "--reason", "r", code=2)

    assert "row 'openai/gpt-5' is there twice" in said.stderr


def test_repricing_proposes_then_writes_once_and_says_why(
    shop: Terminal, clock: FrozenClock
) -> None:
    line = book(shop, clock)
    shop.run("prices", "update", "--lock", written(shop, with_output_at("9")), "--reason", "r")

    said = shop.run("prices", "reprice", "--from", "2020-01-01").stdout
    assert "1 of 1 lines are off, -1 USD in all" in said
    assert "nothing was written" in said

    again = ("prices", "reprice", "--from", "2020-01-01", "--apply")
    assert "needs a --reason" in shop.run(*again, code=2).stderr
    assert shop.json(*again, "--reason", "back-dated")["added"] == 1
    assert shop.json(*again, "--reason", "back-dated")["off"] == 0

    (change,) = (
        it
        for it in shop.json("changes", "list")["changes"]
        if it["pointer"].startswith("ledger/reprice:")
    )
    assert (change["reason"], change["after"]["difference_nano"]) == ("back-dated", -(10**9))
    asked = ("--tenant", "globex", "--month", line.day_local[:7])
    (row,) = shop.json("costs", *asked, "--by", "tenant_id")["rows"]
    assert row["cost_nano"] == 11_250_000_000 - 10**9


def test_the_future_price_counts_in_the_effect(shop: Terminal, clock: FrozenClock) -> None:
    book(shop, clock)
    rows = [it for it in shipped_lock().rows if it.id != GPT_5]
    (gpt,) = (it for it in shipped_lock().rows if it.id == GPT_5)
    start = "2099-01-01T00:00:00Z"
    later = replace(
        with_output_at("9").rows[[it.id for it in with_output_at("9").rows].index(GPT_5)],
        id=f"{GPT_5}#2099-01-01",
        start=start,
    )
    lock = build_lock("a test", [*rows, replace(gpt, end=start), later])

    said = shop.run("prices", "diff", "--lock", written(shop, lock), code=1).stdout

    assert "from 2099-01-01" in said
    assert "traffic: -1 USD" in said


def test_a_file_that_is_no_list_is_refused(shop: Terminal, tmp_path: Path) -> None:
    (tmp_path / "no.json").write_text("{}")

    assert "cannot be read" in shop.run("prices", "diff", "--lock", "no.json", code=2).stderr
