import logging

import pytest
from msgspec.structs import replace
from tests.records import finish, tenant_key

from trimtab.domain.annotation import Annotation
from trimtab.jobs.claims import PATIENCE_US, Claims
from trimtab.store.base.recording import Batch, Unclaimed
from trimtab.store.memory.records import MemoryRecords
from trimtab.testing import FrozenClock


def said(clock: FrozenClock, seed: int) -> Annotation:
    record = finish(seed).record
    return Annotation(
        annotation_id=f"n_{seed}",
        request_id=record.request_id,
        tenant_id=record.tenant_id,
        ts_us=clock.now_us(),
        kind="feedback",
        name="thumbs",
        score=1.0,
        source="user",
    )


async def test_a_day_is_waited_for_a_request_and_what_is_dropped_is_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock, store = FrozenClock(), MemoryRecords(tenant_key)
    claims = Claims(store, clock)
    forged = replace(said(clock, 2), tenant_id="globex")
    await store.commit(Batch(claims=(said(clock, 1), forged)))

    await claims.step()
    assert claims.dropped == Unclaimed(0, 0)
    await store.commit(Batch(finishes=(finish(2),)))
    await claims.step()
    assert claims.dropped == Unclaimed(1, 0)
    clock.advance(PATIENCE_US / 1e6)
    await claims.step()
    assert claims.dropped == Unclaimed(1, 0)
    clock.advance(1.0)
    with caplog.at_level(logging.WARNING):
        await claims.step()

    assert claims.dropped == Unclaimed(1, 1)
    assert "dropped 0 things said of other tenants' requests, 1 of requests" in caplog.text
