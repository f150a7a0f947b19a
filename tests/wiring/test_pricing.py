import asyncio
from collections.abc import Sequence
from pathlib import Path

from msgspec import to_builtins
from msgspec.structs import replace
from tests.cost.test_applied import OTHER, SHIPPED
from tests.records import finish, line_of, tenant_key

from trimtab.control.changes import Control
from trimtab.control.propagate import Follower
from trimtab.control.snapshot import PRICE_LIST, PRICE_OVERRIDES
from trimtab.cost.applied import differing
from trimtab.cost.lock import encode_lock, shipped_lock
from trimtab.cost.meter import Meter
from trimtab.domain.change import Change, Pointer, PointerKind, Source
from trimtab.domain.ids import TenantId
from trimtab.domain.record import LedgerLine
from trimtab.domain.tenant import Tenant, Tier
from trimtab.store.base.recording import Batch
from trimtab.store.memory.control import MemoryAcknowledgements, MemoryChangeLog
from trimtab.store.memory.records import MemoryRecords
from trimtab.testing import FrozenClock, seeded_entropy
from trimtab.wiring.following import meter
from trimtab.wiring.pricing import KEPT, keep_shipped, pages, read_lock, sets_ever

LIST = Pointer(PointerKind.PRICES, PRICE_LIST)
OVERRIDES = Pointer(PointerKind.PRICES, PRICE_OVERRIDES)
TIER = Pointer(PointerKind.TIER, "smb")
ACME = Pointer(PointerKind.TENANT, "acme")
NOV_2026_US = 1_795_500_000_000_000


class Company:
    """A change log, and a worker that follows it and prices."""

    def __init__(self, home: Path) -> None:
        log, clock = MemoryChangeLog(), FrozenClock()
        self.control = Control(log, clock, seeded_entropy())
        self.following = Follower(
            log, MemoryAcknowledgements(), clock, worker_id="w1", file=home / "last.json"
        )
        self.meter: Meter = meter(self.following)

    async def move(self, pointer: Pointer, value: object | None) -> Change:
        change = await self.control.move(
            pointer, value, reason="r", author="ana", source=Source.CLI
        )
        assert change is not None
        await self.following.poll()
        return change

    def output(self, tenant: str = "") -> int | None:
        row = self.meter.prices_of(tenant).find("openai", "gpt-5", at_us=NOV_2026_US)
        assert row is not None
        return row.rates(0).output


async def test_a_worker_prices_by_what_the_change_log_says_and_by_what_was_before_again(
    tmp_path: Path,
) -> None:
    company = Company(tmp_path)
    shipped = shipped_lock()
    model = next(row for row in shipped.rows if row.id == "openai/gpt-5")
    (tier,) = model.usd_per_mtok
    dearer = replace(model, usd_per_mtok=(replace(tier, output="11"),))
    rows = {"source": "x", "base": "ps_x", "models": {"openai/gpt-5": to_builtins([dearer])}}
    assert company.output() is not None

    change = await company.move(LIST, rows)
    assert company.output() == 11 * 10**9

    await company.move(TIER, Tier(name="smb"))
    acme = Tenant(id=TenantId("acme"), tier="smb", prices={"openai/*": {"discount": "50%"}})
    await company.move(ACME, acme)
    assert (company.output("acme"), company.output("globex")) == (5_500_000_000, 11 * 10**9)

    await company.control.undo(change.seq, reason="r", author="ana", source=Source.CLI)
    await company.following.poll()
    assert (company.output("acme"), company.output()) == (5 * 10**9, 10 * 10**9)


async def test_what_is_compiled_outlives_changes_that_are_not_of_prices(tmp_path: Path) -> None:
    company = Company(tmp_path)
    await company.move(OVERRIDES, {"p/m": {"input": 1, "output": 1}})
    before = company.meter.prices

    await company.move(TIER, Tier(name="smb"))
    assert company.meter.prices is before

    await company.move(OVERRIDES, {"p/m": {"input": 2, "output": 1}})
    assert company.meter.prices is not before


async def test_every_set_ever_in_force_is_found_by_its_version(tmp_path: Path) -> None:
    company = Company(tmp_path)
    versions = [company.meter.prices.version]

    async def moved(pointer: Pointer, value: object | None, tenant: str = "") -> None:
        await company.move(pointer, value)
        versions.append(company.meter.prices_of(tenant).version)

    await moved(OVERRIDES, {"p/m": {"input": "0.1", "output": 0.3}})
    await moved(LIST, to_builtins(differing(SHIPPED, OTHER)))
    await moved(TIER, Tier(name="smb"))
    own = {"p/*": {"multiplier": 1.1}}
    await moved(ACME, Tenant(id=TenantId("acme"), tier="smb", prices=own), "acme")
    await moved(ACME, Tenant(id=TenantId("acme"), tier="smb"), "acme")
    await moved(OVERRIDES, None)
    await moved(LIST, None)

    find = await sets_ever(tmp_path, company.control)

    assert len(set(versions)) == 5
    for version in versions:
        found = find(version)
        assert found is not None
        assert found.version == version
    assert find("ps_nobody") is None


async def test_the_list_of_an_older_program_is_kept(tmp_path: Path) -> None:
    company = Company(tmp_path)
    (tmp_path / KEPT).mkdir()
    (tmp_path / KEPT / f"{OTHER.price_version}.json").write_bytes(encode_lock(OTHER))

    found = (await sets_ever(tmp_path, company.control))(OTHER.price_version)

    assert found is not None
    assert found.rows("p", "d") == OTHER.rows[-1:]


def test_the_shipped_list_is_kept_once(tmp_path: Path) -> None:
    keep_shipped(tmp_path)
    keep_shipped(tmp_path)

    (kept,) = (tmp_path / KEPT).iterdir()
    assert read_lock(kept) == shipped_lock()


def test_pages_of_the_ledger_never_part_lines_of_one_instant() -> None:
    records = MemoryRecords(tenant_key)
    instants = [1, 1, 1, 2, 2, 3, 4, 4, 4, 4]
    made = finish(1, tenant_id="acme")
    lines = tuple(line_of(made.record, n, ts_us=at) for n, at in enumerate(instants))
    other = finish(2, tenant_id="globex", ts_us=3)

    async def read(size: int) -> list[Sequence[LedgerLine]]:
        return [page async for page in pages(records, since_us=0, size=size)]

    asyncio.run(records.commit(Batch(finishes=(replace(made, lines=lines), other))))
    for size in range(1, 12):
        found = asyncio.run(read(size))
        assert sorted(it.line_id for page in found for it in page) == sorted(
            it.line_id for it in (*lines, *other.lines)
        )
        seen = [{it.ts_us for it in page if it.tenant_id == "acme"} for page in found]
        assert sum(len(it) for it in seen) == len(set(instants))
