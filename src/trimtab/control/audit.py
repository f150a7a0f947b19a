"""Reading what not everybody may read: it is written down first, or it is not read."""

from collections.abc import Sequence
from dataclasses import dataclass

from trimtab.domain.audit import Protected, Reading
from trimtab.domain.change import Source
from trimtab.domain.clock import Clock
from trimtab.domain.record import RequestRecord
from trimtab.store.base.control import AuditLog
from trimtab.store.base.reading import ContentReader


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
        refs = record.input_ref, record.output_ref
        asked, answered = await self.read_all(record, refs, author=author, source=source)
        return asked, answered

    async def read_asked(
        self, record: RequestRecord, *, author: str, source: Source
    ) -> tuple[bytes | None, bytes | None]:
        """Read what was asked: the variables of its prompt, and the body; as `read` does."""
        refs = record.prompt_vars_ref, record.input_ref
        variables, body = await self.read_all(record, refs, author=author, source=source)
        return variables, body

    async def read_all(
        self, record: RequestRecord, refs: Sequence[bytes | None], *, author: str, source: Source
    ) -> Sequence[bytes | None]:
        """Read contents of a request, noted as one look. Raises as `read`."""
        if not any(refs):
            return [None for _ in refs]
        reading = Reading(
            ts_us=self.clock.now_us(),
            author=author,
            source=source,
            what=Protected.CONTENT,
            tenant_id=record.tenant_id,
            request_id=record.request_id,
        )
        await self.log.note(reading)
        return [
            None
            if ref is None
            else await self.contents.content(record.tenant_id, record.ts_us, ref)
            for ref in refs
        ]

    async def keys(self, *, author: str, source: Source) -> None:
        """Write down that somebody lists the keys. Raises `TryLater`: then they may not."""
        now_us = self.clock.now_us()
        reading = Reading(ts_us=now_us, author=author, source=source, what=Protected.KEYS)
        await self.log.note(reading)
