"""How many spans a second of one processor are rendered, encoded and posted. Prints.

The goal is 3,000 a second on half a core: 6,000 for each second of processor time.
"""

import random
from pathlib import Path
from time import process_time

import pytest
from tests.telemetry.shapes import answered, content_of
from tests.telemetry.spooled import Spooled

from trimtab.telemetry.export import Exporter
from trimtab.telemetry.follow import Place
from trimtab.telemetry.preset import Content, Encoding, preset
from trimtab.telemetry.receiver import Receiver
from trimtab.telemetry.view import View
from trimtab.telemetry.words import Words
from trimtab.testing import FrozenClock, ScriptedAnswer, ScriptedProvider

pytestmark = pytest.mark.bench

REQUESTS = 3_000
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
