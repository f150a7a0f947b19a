from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.evals.gateways import ChatGateway, court_of
from tests.records import tenant_key
from tests.telemetry.shapes import TS_US, record

from trimtab.control.audit import Audit
from trimtab.control.prompts import NO_PROMPTS
from trimtab.domain.annotation import Annotated
from trimtab.domain.audit import Reading
from trimtab.domain.errors import TryLater
from trimtab.domain.ids import span_id
from trimtab.evals.cache import Forgetful
from trimtab.evals.manifest import make_metrics
from trimtab.evals.online import Scorer, suite_of
from trimtab.evals.panel import Panel
from trimtab.evals.suite import JudgeSetting
from trimtab.jobs.online import Chosen
from trimtab.jobs.verdicts import NOTHING, Bench, evaluated
from trimtab.pipeline.content import ContentCapture
from trimtab.store.content import assemble
from trimtab.store.memory.control import MemoryAuditLog
from trimtab.testing import FrozenClock

ASKED = b'{"messages": [{"role": "user", "content": "How long?"}]}'
ANSWERED = b'{"parts": [{"type": "text", "content": "14 days"}]}'
SAYS = '{"reason": "it answers", "refuses": false}'
METRICS: Mapping[str, Mapping[str, Any]] = {
    "refuses": {"expected": False},
    "declines": {"metric": "refuses", "expected": True},
}
KEPT = {b"i": ASKED, b"o": ANSWERED}


class Contents:
    """What is kept of one request."""

    def __init__(self, kept: Mapping[bytes, bytes]) -> None:
        self._kept = kept

    async def content(self, tenant_id: str, ts_us: int, ref: bytes) -> bytes | None:
        assert (tenant_id, ts_us) == ("acme-corp", TS_US)
        return self._kept.get(ref)


class FullLog(MemoryAuditLog):
    """An audit log that takes no row."""

    async def note(self, reading: Reading) -> None:
        raise TryLater(f"no room for {reading.author}")


class Site:
    """A bench with all that it reads. State: its audit log."""

    def __init__(self, folder: Path, say: str = SAYS, kept: Mapping[bytes, bytes] = KEPT) -> None:
        clock = FrozenClock(TS_US + 60_000_000)
        metrics = {
            "refuses": {"expected": False},
            "declines": {"metric": "refuses", "expected": True},
        }
        suite = suite_of("trimtab.yaml", JudgeSetting(model="judge-pinned"), metrics)
        cache = Forgetful(folder, clock)
        court = court_of(ChatGateway(say), folder, cache=cache)
        panel = Panel(court=court, embedder=None, cache=cache, tally=court.tally)
        self.log = MemoryAuditLog()
        self.clock = clock
        self.contents = Contents(kept)
        self.scorer = Scorer(suite, make_metrics(suite), panel)

    def bench(self, log: MemoryAuditLog | None = None) -> Bench:
        return Bench(
            audit=Audit(log or self.log, self.contents, self.clock),
            prompts=lambda: NO_PROMPTS,
            scorer=self.scorer,
            capture=ContentCapture(tenant_key),
            clock=self.clock,
        )


def chosen(**fields: object) -> Chosen:
    return Chosen(record(input_ref=b"i", output_ref=b"o", **fields), 0.25)


def words(said: Annotated) -> bytes | None:
    """Put together what an annotation says, of its own blobs alone."""
    ref, blobs = said.annotation.text_ref, {it.ref: it for it in said.content}
    return None if ref is None else assemble(blobs.get, ref)


async def test_each_score_is_an_annotation_of_its_own(tmp_path: Path) -> None:
    found = await Site(tmp_path).bench().judged(chosen())

    one, other = (it.annotation for it in found.said)
    assert (one.name, one.score, one.label) == ("refuses", 1.0, "answers")
    assert (other.name, other.score, other.label) == ("declines", 0.0, "answers")
    assert (one.kind, one.source, one.author) == ("evaluation", "judge", "sim/judge-2026-01-15")
    assert (one.tenant_id, one.request_id) == ("acme-corp", record().request_id)
    assert (one.probability, one.ts_us) == (0.25, TS_US + 60_000_000)
    assert one.annotation_id != other.annotation_id
    assert found.errors == ()


async def test_each_brings_its_own_words_for_the_day_of_the_request(tmp_path: Path) -> None:
    found = await Site(tmp_path).bench().judged(chosen())

    assert [words(it) for it in found.said] == [b"it answers", b"it answers"]
    assert {it.request_us for it in found.said} == {TS_US}


async def test_judging_again_says_the_same_under_the_same_ids(tmp_path: Path) -> None:
    bench = Site(tmp_path).bench()

    first, again = [await bench.judged(chosen()) for _ in range(2)]

    assert first == again


async def test_it_belongs_to_the_span_of_the_attempt_that_answered(tmp_path: Path) -> None:
    found = await Site(tmp_path).bench().judged(chosen(attempt_count=2))

    assert found.said[0].span_id == span_id(record().request_id, "attempt/2")
    assert found.said[0].trace_id == record().trace_id
    assert evaluated(record(attempt_count=0)) == record().span_id


async def test_the_audit_knows_of_each_look_once(tmp_path: Path) -> None:
    site = Site(tmp_path)

    await site.bench().judged(chosen())

    (row,) = await site.log.readings(limit=10)
    assert (row.author, row.request_id) == ("online judge", record().request_id)


async def test_what_the_audit_cannot_note_is_not_judged(tmp_path: Path) -> None:
    found = await Site(tmp_path).bench(FullLog()).judged(chosen())

    assert found.said == ()
    assert found.errors == ("no room for online judge",)


@pytest.mark.parametrize("gone", KEPT)
async def test_what_is_not_kept_any_more_is_not_judged(tmp_path: Path, gone: bytes) -> None:
    kept = {ref: it for ref, it in KEPT.items() if ref != gone}

    assert await Site(tmp_path, kept=kept).bench().judged(chosen()) == NOTHING


async def test_a_judge_that_gives_no_verdict_is_an_error_and_no_score(tmp_path: Path) -> None:
    found = await Site(tmp_path, say="hm").bench().judged(chosen())

    assert found.said == ()
    assert len(found.errors) == 2
    assert found.errors[0].startswith("judge_unreadable: ")
