from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace
from tests.records import finish

from trimtab.control.audit import Audit
from trimtab.domain.audit import Protected, Reading
from trimtab.domain.change import Source
from trimtab.domain.errors import TryLater
from trimtab.store.memory.control import MemoryAuditLog
from trimtab.testing import FrozenClock

RECORD = replace(finish(7, tenant_id="acme").record, input_ref=b"asked", output_ref=b"answered")


class FullLog(MemoryAuditLog):
    """An audit that nothing can be added to."""

    async def note(self, reading: Reading) -> None:
        raise TryLater(f"the disk is full, {reading.author} cannot be written down")


@dataclass
class Contents:
    """`store.base.ContentReader` that knows what was read."""

    read: list[bytes] = field(default_factory=list[bytes])

    async def content(self, tenant_id: str, ts_us: int, ref: bytes) -> bytes | None:
        assert (tenant_id, ts_us) == (RECORD.tenant_id, RECORD.ts_us)
        self.read.append(ref)
        return ref.upper()


def audit(log: MemoryAuditLog, contents: Contents) -> Audit:
    return Audit(log, contents, FrozenClock())


async def test_who_reads_is_written_down_before_anything_is_read() -> None:
    log, contents = MemoryAuditLog(), Contents()

    found = await audit(log, contents).read(RECORD, author="ana", source=Source.CONSOLE)

    assert found == (b"ASKED", b"ANSWERED")
    [row] = await log.readings(limit=9)
    assert (row.author, row.source, row.what) == ("ana", "console", Protected.CONTENT)
    assert (row.tenant_id, row.request_id) == ("acme", RECORD.request_id)
    assert row.ts_us == FrozenClock().now_us()


async def test_what_cannot_be_written_down_is_not_read() -> None:
    contents = Contents()
    full = audit(FullLog(), contents)

    with pytest.raises(TryLater):
        await full.read(RECORD, author="ana", source=Source.CLI)
    with pytest.raises(TryLater):
        await full.keys(author="ana", source=Source.CLI)

    assert contents.read == []


async def test_where_there_is_no_content_nothing_is_read_and_nothing_noted() -> None:
    log = MemoryAuditLog()
    bare = replace(RECORD, input_ref=None, output_ref=None)

    assert await audit(log, Contents()).read(bare, author="ana", source=Source.CLI) == (None, None)
    assert await log.readings(limit=9) == ()


async def test_what_was_asked_is_read_by_its_own_row() -> None:
    log, contents = MemoryAuditLog(), Contents()
    filled = replace(RECORD, prompt_vars_ref=b"variables")

    found = await audit(log, contents).read_asked(filled, author="ana", source=Source.CLI)

    assert found == (b"VARIABLES", b"ASKED")
    assert len(await log.readings(limit=9)) == 1
    with pytest.raises(TryLater):
        await audit(FullLog(), contents).read_asked(filled, author="ana", source=Source.CLI)
    assert contents.read == [b"variables", b"asked"]
