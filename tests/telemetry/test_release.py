"""Which spans of applications are exported, and when."""

import random
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from tests.telemetry import told
from tests.telemetry.shapes import answered
from tests.telemetry.spooled import Spooled

from trimtab.domain.app_span import SpanBatch
from trimtab.domain.errors import RecorderUnavailable
from trimtab.domain.record import Finish
from trimtab.telemetry import ingest
from trimtab.telemetry.batch import gather
from trimtab.telemetry.deciding import AFTER_ROOT_US, LONGEST_US, MAX_BYTES
from trimtab.telemetry.follow import START, Place, follow
from trimtab.telemetry.frames import Frame, Kind
from trimtab.telemetry.otlp import Cuts
from trimtab.telemetry.release import Releaser
from trimtab.telemetry.sampling import Policy, Sampler, threshold
from trimtab.telemetry.spool import Spool, claim
from trimtab.telemetry.standing import load
from trimtab.telemetry.view import View
from trimtab.testing import FrozenClock

NOW_US = 1_777_142_600_000_000
LOW, HIGH = "0" * 14, "f" * 14
DRAWN, NOT_DRAWN = f"{1:018x}{HIGH}", f"{2:018x}{LOW}"
TWENTIETH = Sampler(Policy(rest=0.05))


class Site:
    """A worker's spool, the keeper's, and who decides."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.clock = FrozenClock(NOW_US)
        self.worker = Spooled(home)
        self.spool = Spool(claim(home / "spool", "keeper"), self.clock)
        self.stored: Mapping[str, Place] | None = None
        self.max_bytes, self.everything = MAX_BYTES, False
        self.releaser = self.restarted()

    def restarted(self) -> Releaser:
        """Make one that knows only what is on the disk."""
        self.releaser = Releaser(
            self.home,
            self.spool,
            self.clock,
            TWENTIETH.of_spans,
            recorded=None if self.stored is None else lambda: self.stored or {},
            everything=self.everything,
            max_bytes=self.max_bytes,
        )
        return self.releaser

    def tell(self, *spans: Span, **resource: str) -> None:
        """Write down spans as the gateway does."""
        now_us, data = self.clock.now_us(), told.request(*spans, **resource).SerializeToString()
        found = [it.span for it in ingest.spans(data, Cuts(), now_us, is_json=False)]
        named = tuple(replace(it, tenant_id="acme") for it in found if it is not None)
        batch = SpanBatch(tenant_id="acme", received_us=now_us, spans=named)
        self.worker.raw(self.worker.frame(Kind.SPANS, msgspec.msgpack.encode(batch)))

    async def passes(self, us: int = 0) -> None:
        self.clock.advance(us / 1e6)
        while await self.releaser.step():
            pass

    def sent(self) -> list[Span]:
        """List the spans of applications that exporters would send."""
        found = gather(self.home / "spool", {}, View(everything=self.everything)).entries
        return [it.span for it in found if it.span.name == "work"]

    @property
    def numbers(self) -> list[int]:
        return [int.from_bytes(it.span_id) for it in self.sent()]

    @property
    def saved(self) -> Place:
        return load(self.home / "release.json").get("w1", START)

    @property
    def end(self) -> Place:
        return [it.place for it in follow(self.worker.directory, START)][-1]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncGenerator[Site]:
    site = Site(tmp_path)
    yield site
    site.spool.close()


def said_of(span: Span) -> dict[str, str | float]:
    names = (it for it in span.attributes if it.key.startswith("trimtab.sampling."))
    return {
        it.key.rpartition(".")[2]: it.value.string_value or it.value.double_value for it in names
    }


def outcome(trace: str, rule: str = "rest", *, kept: bool) -> Finish:
    state = "ot=th:f333" if rule == "rest" else "ot=th:0"
    return answered(
        7, trace_id=trace, sampling_rule=rule, trace_kept=kept, tracestate=state, end_us=NOW_US
    )


async def test_undecided_is_decided_never_dropped(site: Site) -> None:
    site.max_bytes = 6_000
    site.restarted()
    for number in range(1, 41):
        site.tell(told.span(number, 99, trace=f"{number:018x}{HIGH}"))
    await site.passes()
    early = site.numbers

    await site.passes(LONGEST_US)

    assert early == list(range(1, len(early) + 1))
    assert 30 < len(early) < 40
    assert site.numbers == list(range(1, 41))
    assert site.saved == site.end


async def test_late_spans_follow(site: Site) -> None:
    for number, trace in ((1, DRAWN), (2, NOT_DRAWN)):
        site.tell(told.span(number, 0, trace=trace))
    await site.passes(AFTER_ROOT_US)
    assert site.numbers == [1]

    for number, trace in ((3, DRAWN), (4, NOT_DRAWN)):
        site.tell(told.span(number, 1, trace=trace))
    await site.passes()

    assert site.numbers == [1, 3]
    assert said_of(site.sent()[0]) == said_of(site.sent()[1])


async def test_late_spans_follow_after_a_restart(site: Site) -> None:
    site.worker.finish(outcome(NOT_DRAWN, "error", kept=True))
    site.tell(told.span(1, 9, trace=f"{3:018x}{LOW}", ts_us=0, dur_us=10_000_000))
    await site.passes(LONGEST_US)
    assert (site.numbers, site.saved) == ([1], site.end)

    site.restarted()
    site.tell(told.span(2, 9, trace=NOT_DRAWN), told.span(3, 0, trace=f"{3:018x}{LOW}"))
    await site.passes()

    assert site.numbers == [1, 2, 3]
    assert [said_of(it)["rule"] for it in site.sent()] == ["slow", "error", "slow"]


async def test_a_remote_parent_is_sampled_as_any_other(site: Site) -> None:
    site.tell(told.span(1, 9, trace=DRAWN))
    site.tell(told.span(2, 9, trace=NOT_DRAWN))
    await site.passes(LONGEST_US - 1_000)
    assert site.numbers == []

    await site.passes(1_000)

    assert site.numbers == [1]


async def test_a_trace_in_which_something_failed_is_kept(site: Site) -> None:
    failed = told.span(2, 1, trace=NOT_DRAWN)
    failed.status.code = Status.STATUS_CODE_ERROR
    site.tell(told.span(1, 0, trace=NOT_DRAWN), failed)
    await site.passes(AFTER_ROOT_US)

    assert [said_of(it)["rule"] for it in site.sent()] == ["error", "error"]


async def test_the_record_decides_on_a_trace_of_ours_and_both_apps_follow(site: Site) -> None:
    site.tell(told.span(1, 0, trace=NOT_DRAWN))
    site.tell(told.span(2, 1, trace=NOT_DRAWN), service__name="other-app")
    await site.passes()
    assert site.numbers == []

    site.worker.finish(outcome(NOT_DRAWN, "error", kept=True))
    await site.passes()

    assert site.numbers == [1, 2]
    for span in site.sent():
        assert said_of(span) == {"rule": "error", "adjusted_count": 1.0, "keep": "true"}
        assert span.trace_state == "ot=th:0"


async def test_spans_of_a_dropped_trace_stay_away_until_it_is_rehydrated(site: Site) -> None:
    site.worker.finish(outcome(DRAWN, kept=False))
    site.tell(told.span(1, 0, trace=DRAWN, attributes={"gen_ai.operation.name": "chat"}))
    await site.passes(LONGEST_US)
    assert site.numbers == []

    assert not any(
        isinstance(it.found, Frame) and it.found.kind == Kind.RELEASED
        for it in follow(site.home / "spool" / "keeper", START)
    )

    again = outcome(DRAWN, "rehydrated:asked", kept=True)
    site.worker.raw(site.worker.frame(Kind.REHYDRATED, msgspec.msgpack.encode(again)))
    site.tell(told.span(2, 1, trace=DRAWN))
    await site.passes()

    assert site.numbers == [2]
    assert said_of(site.sent()[0])["adjusted_count"] == 0.0


async def test_a_share_says_how_many_it_stands_for_and_what_the_app_says_of_that_is_not_believed(
    site: Site,
) -> None:
    span = told.span(
        1,
        0,
        trace=DRAWN,
        attributes={"trimtab.sampling.rule": "forced", "tenant.id": "globex", "mine": 1},
    )
    span.trace_state, span.flags = "vendor=x", 0x103
    site.tell(span)
    await site.passes(AFTER_ROOT_US)

    (sent,) = site.sent()
    weight = 2**56 / (2**56 - threshold(0.05))
    assert said_of(sent) == {
        "rule": "rest",
        "adjusted_count": weight,
        "keep": "true",
        "policy_version": TWENTIETH.version,
    }
    assert sent.trace_state == "ot=th:f333,vendor=x"
    assert sent.flags == 0x103
    names = [it.key for it in sent.attributes]
    assert len(names) == len(set(names))
    tenants = {it.value.string_value for it in sent.attributes if it.key.endswith("tenant.id")}
    assert tenants == {"acme"}


async def test_a_collector_gets_all_of_it_and_what_was_decided(site: Site) -> None:
    site.everything = True
    site.restarted()
    for number, trace in ((1, DRAWN), (2, NOT_DRAWN)):
        site.tell(told.span(number, 0, trace=trace))
    await site.passes(AFTER_ROOT_US)

    assert {int.from_bytes(it.span_id): said_of(it)["keep"] for it in site.sent()} == {
        1: "true",
        2: "false",
    }


async def test_a_crash_reads_again_what_waited(site: Site) -> None:
    site.tell(told.span(1, 9, trace=NOT_DRAWN))
    waiting = site.end
    site.tell(told.span(2, 0, trace=DRAWN))
    await site.passes(AFTER_ROOT_US)
    assert site.numbers == [2]
    assert site.saved < waiting

    site.restarted()
    site.worker.finish(outcome(NOT_DRAWN, "error", kept=True))
    await site.passes()

    assert set(site.numbers) == {1, 2}
    assert site.saved == site.end
    assert site.releaser.needed("w1") == 1
    assert site.releaser.needed("nobody") == 0


async def test_after_a_pause_a_record_that_is_already_there_decides(site: Site) -> None:
    other = Spooled(site.home, "w2")
    for number in range(1, 1101):
        site.tell(told.span(number, 0, trace=NOT_DRAWN))
    other.finish(*(outcome(f"{it:032x}", kept=False) for it in range(10, 1100)))
    other.finish(outcome(NOT_DRAWN, "error", kept=True))
    site.clock.advance(3_600)

    await site.passes()

    assert {said_of(it)["rule"] for it in site.sent()} == {"error"}
    assert site.saved == site.end


async def test_no_more_is_read_at_once_than_there_is_room_for(site: Site) -> None:
    for _ in range(6):
        site.worker.raw(site.worker.frame(Kind.NOTE, bytes(4 << 20)))
    assert await site.releaser.step()
    assert START < site.saved < site.end

    await site.passes()

    assert site.saved == site.end


async def test_it_stays_behind_the_recorder_if_content_is_to_be_read(site: Site) -> None:
    site.stored = {}
    site.restarted()
    site.tell(told.span(1, 0, trace=DRAWN))
    await site.passes(LONGEST_US)
    assert (site.numbers, site.saved) == ([], START)

    site.stored = {"w1": site.end}
    await site.passes()

    assert site.numbers == [1]


async def test_what_cannot_be_written_is_written_later(site: Site) -> None:
    class Full:
        is_full = True

        def append(self, kind: Kind, payload: bytes) -> int:
            if self.is_full:
                raise RecorderUnavailable("full")
            return site.spool.append(kind, payload)

        async def synced(self, offset: int) -> None:
            await site.spool.synced(offset)

    full = Full()
    site.releaser = Releaser(site.home, full, site.clock, TWENTIETH.of_spans)
    site.tell(told.span(1, 0, trace=DRAWN))
    site.clock.advance(LONGEST_US / 1e6)
    with pytest.raises(RecorderUnavailable):
        await site.releaser.step()
    assert site.saved == START

    full.is_full = False
    await site.passes()

    assert site.numbers == [1]
    assert site.saved == site.end


async def test_a_frame_that_cannot_be_read_is_passed(site: Site) -> None:
    site.worker.raw(site.worker.frame(Kind.SPANS, b"\xc1"))
    site.tell(told.span(1, 0, trace=DRAWN))
    await site.passes(LONGEST_US)

    assert site.numbers == [1]


async def test_every_span_of_a_kept_trace_goes_out_once_whatever_the_order(site: Site) -> None:
    chance = random.Random(7)  # noqa: S311 -- repeatable
    spans = [told.span(it, it % 5, trace=f"{it % 9:018x}{HIGH}") for it in range(1, 200)]
    chance.shuffle(spans)
    while spans:
        some, spans = spans[:7], spans[7:]
        site.tell(*some)
        await site.passes(500_000)
    await site.passes(LONGEST_US)

    assert sorted(site.numbers) == list(range(1, 200))
