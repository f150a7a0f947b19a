"""Which months are closed."""

from trimtab.control.changes import Control
from trimtab.cost.bill.due import closed_bills
from trimtab.domain.billing import AT_COST, Closing
from trimtab.domain.change import Pointer, PointerKind, Source
from trimtab.store.memory.control import MemoryChangeLog
from trimtab.testing import FrozenClock, seeded_entropy


async def test_a_tenant_s_closed_months_are_listed_the_oldest_first() -> None:
    control = Control(MemoryChangeLog(), FrozenClock(), seeded_entropy())
    for tenant, month in (("acme", "2026-10"), ("globex", "2026-08"), ("acme", "2026-09")):
        closing = Closing(
            tenant=tenant,
            month=month,
            plan=AT_COST,
            plan_seq=0,
            price_versions=(),
            groups=(),
            n_unpriced=0,
            total_cents=7,
        )
        pointer = Pointer(PointerKind.BILL, f"{tenant}:{month}")
        await control.move(pointer, closing, reason="sent", author="ana", source=Source.CLI)

    found = closed_bills(await control.state(), "acme")

    assert [it.month for it in found] == ["2026-09", "2026-10"]
