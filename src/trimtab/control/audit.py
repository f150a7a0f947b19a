"""Reading what not everybody may read: it is written down first, or it is not read."""

from dataclasses import dataclass

from trimtab.domain.audit import Protected, Reading
from trimtab.domain.change import Source
from trimtab.domain.clock import Clock
from trimtab.domain.record import RequestRecord
from trimtab.store.base import AuditLog, ContentReader


@dataclass(frozen=True, slots=True)
class Audit:
    """The only way to content, and who went it."""

    log: AuditLog
    contents: ContentReader
    clock: Clock

    async def read(
        self, record: RequestRecord, *, author: str, source: Source
    ) -> tuple[bytes | None, bytes | None]:
        """Read what was asked and answered; `None` where there is none, or none any more.

        Raises:
            TryLater: it could not be written down who reads, so nothing was read.
        """
        return await self._read(record, record.input_ref, record.output_ref, author, source)

    async def read_asked(
        self, record: RequestRecord, *, author: str, source: Source
    ) -> tuple[bytes | None, bytes | None]:
        """Read what was asked: the variables of its prompt, and the body; as `read` does."""
        return await self._read(record, record.prompt_vars_ref, record.input_ref, author, source)

    async def keys(self, *, author: str, source: Source) -> None:
        """Write down that somebody lists the keys. Raises `TryLater`: then they may not."""
        now_us = self.clock.now_us()
        reading = Reading(ts_us=now_us, author=author, source=source, what=Protected.KEYS)
        await self.log.note(reading)

    async def _read(
        self,
        record: RequestRecord,
        first: bytes | None,
        second: bytes | None,
        author: str,
        source: Source,
    ) -> tuple[bytes | None, bytes | None]:
        if (first, second) == (None, None):
            return None, None
        reading = Reading(
            ts_us=self.clock.now_us(),
            author=author,
            source=source,
            what=Protected.CONTENT,
            tenant_id=record.tenant_id,
            request_id=record.request_id,
        )
        await self.log.note(reading)
        one, other = [
            None
            if ref is None
            else await self.contents.content(record.tenant_id, record.ts_us, ref)
            for ref in (first, second)
        ]
        return one, other
