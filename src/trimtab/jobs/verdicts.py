"""What a judge says of a request, as annotations of it."""

from collections.abc import Callable
from dataclasses import dataclass

from trimtab.control.audit import Audit
from trimtab.control.prompts import Prompts
from trimtab.domain.annotation import (
    Annotated,
    Annotation,
    AnnotationKind,
    AnnotationSource,
    annotation_id,
)
from trimtab.domain.change import Source
from trimtab.domain.clock import Clock
from trimtab.domain.errors import TryLater
from trimtab.domain.ids import span_id
from trimtab.domain.record import RequestRecord
from trimtab.evals.kept import answer_of, case_of
from trimtab.evals.metrics.base import Score
from trimtab.evals.online import Scorer
from trimtab.jobs.online import Chosen, Verdicts
from trimtab.pipeline.content import ContentCapture

AUTHOR = "online judge"

NOTHING = Verdicts((), ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Reads what was kept of a request, and has it judged.

    Attributes:
        capture: Makes blobs of what the judge says in words.
    """

    audit: Audit
    prompts: Callable[[], Prompts]
    scorer: Scorer
    capture: ContentCapture
    clock: Clock

    async def judged(self, chosen: Chosen) -> Verdicts:
        """Judge a request; nothing is said of one that has no words, or not any more."""
        record = chosen.record
        refs = (record.prompt_vars_ref, record.input_ref, record.output_ref)
        try:
            variables, asked, answered = await self.audit.read_all(
                record, refs, author=AUTHOR, source=Source.SYSTEM
            )
        except TryLater as exc:
            return Verdicts((), (str(exc),))
        version = self.prompts().find(record.prompt_name or "", record.prompt_version or "")
        case = case_of(record, variables, asked, None if version is None else version.read())
        answer = answer_of(record, answered)
        if case is None or answer is None:
            return NOTHING
        scores = await self.scorer.score(case, answer)
        return Verdicts(
            said=tuple(
                self._annotated(chosen, name, it)
                for name, it in scores.items()
                if it.value is not None
            ),
            errors=tuple(f"{it.code}: {it.detail}" for it in scores.values() if it.value is None),
        )

    def _annotated(self, chosen: Chosen, name: str, score: Score) -> Annotated:
        record, version, author = chosen.record, self.scorer.version(name), self.scorer.author
        kind, source = AnnotationKind.EVALUATION, AnnotationSource.JUDGE
        captured = None
        if score.detail:
            data = score.detail.encode()
            # What it says may be lost with its frame: each is written whole.
            self.capture.forget()
            captured = self.capture.capture(record.tenant_id, record.ts_us, data)
        annotation = Annotation(
            annotation_id=annotation_id(record, kind, name, source, version, author),
            request_id=record.request_id,
            tenant_id=record.tenant_id,
            ts_us=self.clock.now_us(),
            kind=kind,
            name=name,
            score=score.value,
            label=score.label,
            text_ref=None if captured is None else captured.ref,
            source=source,
            author=author,
            version=version,
            probability=chosen.probability,
        )
        return Annotated(
            annotation=annotation,
            request_us=record.ts_us,
            trace_id=record.trace_id,
            span_id=evaluated(record),
            response_id=record.response_id,
            env=record.env,
            content=() if captured is None else captured.blobs,
        )


def evaluated(record: RequestRecord) -> str:
    """Give the id of the span of the attempt that answered, or of the request if none did."""
    n = record.attempt_count
    return span_id(record.request_id, f"attempt/{n}") if n else record.span_id
