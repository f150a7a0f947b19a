"""What people who operate the system say of a request, as annotations of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from trimtab.domain.annotation import (
    PREFIX,
    Annotated,
    Annotation,
    AnnotationKind,
    AnnotationSource,
    Remark,
)
from trimtab.domain.clock import Clock
from trimtab.domain.errors import InvalidRequest, RecordErased
from trimtab.domain.ids import Entropy, ulid
from trimtab.domain.record import Blob, ContentState, RequestRecord
from trimtab.jobs.verdicts import evaluated
from trimtab.pipeline.content import ContentCapture
from trimtab.telemetry.frames import Kind
from trimtab.telemetry.rehydrate import Append


@dataclass(frozen=True, slots=True)
class Remarks:
    """Writes remarks down, as what users and judges say is written.

    Attributes:
        spool: Takes them to the recorder, and to whom complaints concern.
        capture: Gives what keeps the words of a tenant; `None` if nothing it says is kept.
    """

    spool: Append
    capture: Callable[[str], Awaitable[ContentCapture | None]]
    clock: Clock
    entropy: Entropy

    async def say(self, record: RequestRecord, remark: Remark, author: str) -> Annotation:
        """Annotate a request, on the disk when this returns.

        Raises:
            InvalidRequest: nothing is said, or words of a tenant whose words are not kept.
            RecordErased: its words were erased, and others would take their place.
            RecorderUnavailable: it could not be written down.
        """
        if remark.score is None and remark.label is None and remark.text is None:
            raise InvalidRequest("no score, label or text is given; give one")
        ref, content = await self._words(record, remark)
        annotation = Annotation(
            annotation_id=PREFIX + ulid(self.clock.now_us() // 1000, self.entropy),
            request_id=record.request_id,
            tenant_id=record.tenant_id,
            ts_us=self.clock.now_us(),
            kind=AnnotationKind.LABEL,
            name=remark.name,
            score=remark.score,
            label=remark.label,
            text_ref=ref,
            source=AnnotationSource.REVIEWER,
            author=author,
        )
        said = Annotated(
            annotation=annotation,
            request_us=record.ts_us,
            trace_id=record.trace_id,
            span_id=evaluated(record),
            response_id=record.response_id,
            env=record.env,
            content=content,
        )
        offset = self.spool.append(Kind.ANNOTATION, msgspec.msgpack.encode(said))
        await self.spool.synced(offset)
        return annotation

    async def _words(
        self, record: RequestRecord, remark: Remark
    ) -> tuple[bytes | None, tuple[Blob, ...]]:
        if remark.text is None:
            return None, ()
        if record.content_state == ContentState.ERASED:
            raise RecordErased(
                f"the content of '{record.request_id}' was erased; say it without a text"
            )
        capture = await self.capture(record.tenant_id)
        if capture is None or not capture.keeps(record.tenant_id):
            raise InvalidRequest(
                f"nothing is kept of what is written for tenant '{record.tenant_id}'; leave out"
                " the text"
            )
        return capture.capture(record.tenant_id, record.ts_us, remark.text.encode())
