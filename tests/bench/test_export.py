"""How many spans a second of one processor are rendered, encoded and posted. Prints.

Those of applications are also split, decided and released.

The goal is 3,000 a second on half a core: 6,000 for each second of processor time.
"""

import random
from pathlib import Path
from time import process_time

import msgspec
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.telemetry import told
from tests.telemetry.shapes import TS_US, answered, content_of
from tests.telemetry.spooled import Spooled

from trimtab.domain.app_span import SpanBatch
from trimtab.telemetry import ingest
from trimtab.telemetry.export import Exporter
from trimtab.telemetry.follow import Place
from trimtab.telemetry.frames import Kind
from trimtab.telemetry.otlp import Cuts
from trimtab.telemetry.preset import Content, Encoding, preset
from trimtab.telemetry.receiver import Receiver
from trimtab.telemetry.release import Releaser
from trimtab.telemetry.sampling import Policy, Sampler
from trimtab.telemetry.spool import Spool, claim
from trimtab.telemetry.view import View
from trimtab.telemetry.words import Words
from trimtab.testing import FrozenClock, ScriptedAnswer, ScriptedProvider

pytestmark = pytest.mark.bench

REQUESTS = 3_000
APP_SPANS, IN_BATCH = 21_000, 350
VIEWS = {
    "otlp": View(),
    "phoenix": View(extras=preset("phoenix").extras),
    "helicone": View(extras=preset("helicone").extras, encoding=Encoding.JSON),
}


@pytest.mark.parametrize("content", [Content.NONE, Content.SPAN])
@pytest.mark.parametrize("name", VIEWS)
async def test_spans_a_second(tmp_path: Path, name: str, content: Content) -> None:
    worker = Spooled(tmp_path)
    worker.finish(
        *(answered(it, input_ref=b"asked", output_ref=b"answered") for it in range(REQUESTS))
    )
    stored = {"w1": Place(1, worker.path.stat().st_size)}
    words = Words(content=content, read=content_of, recorded=lambda: stored)
    provider = ScriptedProvider(*(ScriptedAnswer([]) for _ in range(REQUESTS)))
    exporter = Exporter(
        Receiver("otlp", "http://h:1", view=VIEWS[name]),
        provider,
        tmp_path,
        FrozenClock(),
        random.Random(7),  # noqa: S311 -- repeatable
        words,
    )

    began_s = process_time()
    while await exporter.step():
        pass
    took_s = process_time() - began_s

    spans = exporter.counts.exported
    size = sum(len(body) for _, _, body in provider.sent)
    assert spans == REQUESTS * 7
    print(
        f"\n{name}, content {content}: {spans / took_s:,.0f} spans a second of one processor,"
        f" {took_s / spans * 1e6:.0f} us and {size / spans:.0f} bytes a span"
    )


async def test_spans_of_applications_a_second(tmp_path: Path) -> None:
    worker, clock = Spooled(tmp_path), FrozenClock(TS_US)
    spool = Spool(claim(tmp_path / "spool", "keeper"), clock)
    for batch in range(APP_SPANS // IN_BATCH):
        spans = [app_span(batch * IN_BATCH + it) for it in range(IN_BATCH)]
        data = told.request(*spans).SerializeToString()
        found = [it.span for it in ingest.spans(data, Cuts(), TS_US, is_json=False)]
        made = SpanBatch(
            tenant_id="acme", received_us=TS_US, spans=tuple(it for it in found if it is not None)
        )
        worker.raw(worker.frame(Kind.SPANS, msgspec.msgpack.encode(made)))
    provider = ScriptedProvider(*(ScriptedAnswer([]) for _ in range(APP_SPANS)))
    clock.advance(60)
    releaser = Releaser(tmp_path, spool, clock, Sampler(Policy()).of_spans)
    exporter = Exporter(
        Receiver("otlp", "http://h:1"),
        provider,
        tmp_path,
        clock,
        random.Random(7),  # noqa: S311 -- repeatable
    )

    began_s = process_time()
    while await releaser.step():
        pass
    released_s = process_time()
    while await exporter.step():
        pass
    took_s = process_time() - began_s
    spool.close()

    assert exporter.counts.exported == APP_SPANS
    print(
        f"\napplications: {APP_SPANS / took_s:,.0f} spans a second of one processor,"
        f" {(released_s - began_s) / APP_SPANS * 1e6:.0f} us a span to release it and"
        f" {(took_s - released_s + began_s) / APP_SPANS * 1e6:.0f} us to export it"
    )


def app_span(number: int) -> Span:
    """Make one of seven spans of a trace, as an instrumented application tells them."""
    trace, place = divmod(number, 7)
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.usage.input_tokens": 1200,
        "gen_ai.usage.output_tokens": 80,
        "http.request.method": "POST",
        "server.address": "127.0.0.1",
        "app.step": place,
    }
    return told.span(
        number + 1, number if place else 0, trace=f"{trace + 1:032x}", attributes=attributes
    )
