from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.telemetry.shapes import TS_US, answered, record
from tests.telemetry.spooled import Spooled

from trimtab.domain.annotation import Annotated, Annotation
from trimtab.jobs.verdicts import evaluated
from trimtab.telemetry.batch import gather
from trimtab.telemetry.evaluations import EVENT, evaluation, log_record
from trimtab.telemetry.frames import Kind
from trimtab.telemetry.preset import Signal
from trimtab.telemetry.semconv import DEFAULT
from trimtab.telemetry.spans import Source
from trimtab.telemetry.view import View

ABOUT = Annotation(
    annotation_id="n_1",
    request_id=record().request_id,
    tenant_id="acme-corp",
    ts_us=TS_US + 60_000_000,
    kind="evaluation",
    name="faithfulness",
    score=0.5,
    label="half",
    text_ref=b"why",
    source="judge",
    author="sim/large-2026-01-15",
    version="faithfulness@1+ab",
    probability=0.01,
)
SAID = Annotated(
    annotation=ABOUT,
    request_us=TS_US,
    trace_id=record().trace_id,
    span_id=evaluated(record()),
    response_id="msg_01",
    env="staging",
)


def attributes(of: Span | Span.Event) -> dict[str, object]:
    return {it.key: getattr(it.value, it.value.WhichOneof("value") or "") for it in of.attributes}


def rendered(said: Annotated = SAID) -> Span:
    span = evaluation(said, DEFAULT)
    assert span is not None
    return span


def test_an_evaluation_is_the_event_of_the_conventions() -> None:
    (event,) = rendered().events

    assert event.name == EVENT == "gen_ai.evaluation.result"
    assert attributes(event) == {
        "gen_ai.evaluation.name": "faithfulness",
        "gen_ai.evaluation.score.value": 0.5,
        "gen_ai.evaluation.score.label": "half",
        "gen_ai.response.id": "msg_01",
    }


def test_its_span_says_the_same_and_who_judged() -> None:
    span = rendered()

    said = attributes(span)
    assert attributes(span.events[0]).items() <= said.items()
    assert said["trimtab.request_id"] == record().request_id
    assert said["trimtab.tenant.id"] == said["tenant.id"] == "acme-corp"
    assert said["trimtab.evaluation.author"] == "sim/large-2026-01-15"
    assert said["trimtab.evaluation.probability"] == 0.01


def test_its_span_has_no_length_and_is_under_the_attempt_that_was_sent_before(
    tmp_path: Path,
) -> None:
    worker = Spooled(tmp_path)
    worker.finish(answered(7))
    worker.raw(worker.frame(Kind.ANNOTATION, msgspec.msgpack.encode(SAID)))

    batch = gather(tmp_path / "spool", {}, View())

    *spans, last = batch.entries
    (attempt,) = [it.span for it in spans if it.span.name.startswith("chat ")]
    assert (last.span.trace_id, last.span.parent_span_id) == (attempt.trace_id, attempt.span_id)
    assert last.span.start_time_unix_nano == last.span.end_time_unix_nano
    assert last.source == Source("w1", "staging")
    assert last.passed == batch.places["w1"]


def test_sent_twice_it_is_one_span_and_another_has_another_id() -> None:
    other = replace(SAID, annotation=replace(ABOUT, annotation_id="n_2"))

    assert rendered() == rendered()
    assert rendered().span_id != rendered(other).span_id


@pytest.mark.parametrize("kind", ["feedback", "label", "outcome", "link"])
def test_what_is_no_evaluation_is_not_sent_and_passed(tmp_path: Path, kind: str) -> None:
    said = replace(SAID, annotation=replace(ABOUT, kind=kind))
    worker = Spooled(tmp_path)
    worker.raw(worker.frame(Kind.ANNOTATION, msgspec.msgpack.encode(said)))

    batch = gather(tmp_path / "spool", {}, View())

    assert batch.entries == []
    assert batch.places["w1"].offset == worker.path.stat().st_size


def test_one_that_cannot_be_rendered_is_counted_and_passed(tmp_path: Path) -> None:
    worker = Spooled(tmp_path)
    for payload in (msgspec.msgpack.encode(replace(SAID, trace_id="none")), b"\xc1"):
        worker.raw(worker.frame(Kind.ANNOTATION, payload))

    batch = gather(tmp_path / "spool", {}, View())

    assert (batch.entries, batch.unreadable) == ([], 2)


def test_as_a_log_record_it_is_the_event_at_the_span_that_was_evaluated() -> None:
    record = log_record(rendered())

    assert record.event_name == EVENT
    assert record.trace_id.hex() == SAID.trace_id
    assert record.span_id.hex() == SAID.span_id
    assert record.time_unix_nano == ABOUT.ts_us * 1000
    assert {it.key for it in record.attributes} == attributes(rendered()).keys()


def test_where_it_goes_as_a_log_traces_leave_it_out_and_logs_have_it_alone(
    tmp_path: Path,
) -> None:
    worker = Spooled(tmp_path)
    worker.finish(answered(7))
    worker.raw(worker.frame(Kind.ANNOTATION, msgspec.msgpack.encode(SAID)))
    spool = tmp_path / "spool"

    traces = gather(spool, {}, View(evaluations=False))
    logs = gather(spool, {}, View(signal=Signal.LOGS))

    assert len(traces.entries) == 7
    assert not any(it.span.name.startswith("evaluation") for it in traces.entries)
    assert [it.span.name for it in logs.entries] == ["evaluation faithfulness"]
    assert traces.places == logs.places
