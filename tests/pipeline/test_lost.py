import pytest
from msgspec.structs import replace
from tests.records import begin
from tests.telemetry.shapes import TS_US, record

from trimtab.cost.lock import Match, Row, Tier, build_lock
from trimtab.cost.meter import Meter
from trimtab.cost.prices import PriceList
from trimtab.domain.model import Provider, ProviderWire
from trimtab.domain.record import Begin, Finish
from trimtab.domain.trace_context import TraceContext
from trimtab.pipeline.lost import Lose
from trimtab.store.base.recording import OpenRequest
from trimtab.telemetry.sampling import Policy, Sampler
from trimtab.testing import FrozenClock

PRICES = PriceList(
    build_lock(
        "a test",
        [
            Row(
                id="anthropic/claude",
                match=Match(exact=("claude-sonnet-4-6",)),
                usd_per_mtok=(Tier(input="3", output="15"),),
            )
        ],
    )
)
ANTHROPIC = Provider(name="anthropic", wire=ProviderWire.ANTHROPIC, url="http://127.0.0.1")
FOUND_US = TS_US + 7_000_000


def lost(begun: Begin, output_tokens: int = 0, *, now_us: int = FOUND_US) -> Finish:
    providers = {"anthropic": ANTHROPIC}
    clock, sample = FrozenClock(now_us), Sampler(Policy())
    lose = Lose(Meter(PRICES), providers.get, "staging", clock, sample)
    return lose(
        OpenRequest(worker_id="gateway-1", begin=begun, output_tokens=output_tokens, lost=True)
    )


def test_it_is_charged_for_what_its_checkpoints_prove() -> None:
    finish = lost(begin(7, account="env:ONE"), 200)
    (attempt,), (line,) = finish.attempts, finish.lines

    for told in (finish.record, attempt, line):
        assert (told.input_tokens, told.output_tokens) == (1000, 200)
        assert told.usage_source == "estimated"
        assert told.cost_nano == 1000 * 3000 + 200 * 15_000
    assert finish.record.cost_input_nano == 3_000_000
    assert finish.record.cost_output_nano == 3_000_000
    assert finish.record.price_version == line.price_version == PRICES.version
    assert (line.price_row, line.account) == ("anthropic/claude", "env:ONE")


def test_a_tenant_pays_by_its_own_contract() -> None:
    own = PRICES.of_contract({"anthropic/*": {"discount": "50%"}})
    begun = begin(7)
    meter = Meter(PRICES, {begun.tenant_id: own})
    clock, sample = FrozenClock(FOUND_US), Sampler(Policy())
    lose = Lose(meter, {"anthropic": ANTHROPIC}.get, "staging", clock, sample)

    finish = lose(OpenRequest(worker_id="gateway-1", begin=begun, lost=True))

    assert finish.record.cost_nano == 1_500_000
    assert finish.lines[0].price_version == own.version


def test_without_a_checkpoint_it_is_charged_for_its_input_alone() -> None:
    assert lost(begin(7)).record.cost_nano == 3_000_000


@pytest.mark.parametrize("wire", ["openai.moderations", "anthropic.count_tokens"])
def test_what_is_free_costs_nothing_when_it_is_lost(wire: str) -> None:
    finish = lost(begin(7, wire=wire, model_sent="nobody-1"))

    assert (finish.record.cost_nano, finish.lines[0].cost_nano) == (0, 0)
    assert finish.record.usage_source == finish.lines[0].usage_source == "none"


def test_without_a_price_or_a_provider_its_cost_is_unknown() -> None:
    for begun in (begin(7, model_sent="nobody-1"), begin(7, provider="gone")):
        finish = lost(begun, 10)

        assert finish.record.cost_nano is None
        assert finish.lines[0].cost_nano is None
        assert finish.record.output_tokens == 10


def test_it_says_that_the_worker_is_gone_and_when_that_was_found() -> None:
    finish = lost(begin(7, sent_hash="cd" * 32))
    told, (attempt,) = finish.record, finish.attempts

    assert (told.status, told.error_code, told.http_status) == ("lost", "worker_lost", 0)
    assert (told.ts_us, told.end_us, told.latency_us) == (TS_US, FOUND_US, 7_000_000)
    assert (told.env, told.worker_id) == ("staging", "gateway-1")
    assert told.attempt_count == attempt.n == 1
    assert (attempt.error_code, attempt.dur_us) == ("worker_lost", 7_000_000)
    assert attempt.sent_hash == "cd" * 32


def test_it_does_not_end_before_it_began_though_the_clock_was_set_back() -> None:
    told = lost(begin(7), now_us=TS_US - 1).record

    assert (told.end_us, told.latency_us) == (TS_US, 0)


def test_who_asked_and_for_what_is_known() -> None:
    begun = begin(7, stream=True, model_kind="alias")
    finish = lost(begun)

    for name in set(Begin.__struct_fields__) & set(finish.record.__struct_fields__):
        assert getattr(finish.record, name) == getattr(begun, name), name
    (line,) = finish.lines
    assert line.line_id == f"{begun.request_id}/1/orphan/0"
    assert line.kind == "orphan"
    for name in set(Begin.__struct_fields__) & set(line.__struct_fields__):
        assert getattr(line, name) == getattr(begun, name), name
    assert finish.day_local == begun.day_local
    assert finish.record.span_id == record(7).span_id


def test_it_can_be_asked_again_if_its_input_is_kept() -> None:
    kept = lost(begin(7, input_ref=b"r" * 32)).record
    absent = lost(replace(begin(7), input_ref=None)).record

    assert (kept.content_state, kept.replay, kept.replay_gaps) == ("full", "full", "")
    assert kept.input_ref == b"r" * 32
    assert (absent.content_state, absent.replay) == ("absent", "none")
    assert absent.replay_gaps == "content_absent"


def test_what_was_tried_before_stays_as_it_was_billed() -> None:
    before = lost(begin(7))
    begun = begin(7, n=2, attempts=before.attempts, lines=before.lines, target="anthropic/other")

    finish = lost(begun, 200)

    assert [attempt.n for attempt in finish.attempts] == [1, 2]
    assert finish.lines[0] == before.lines[0]
    assert finish.lines[1].line_id.endswith("/2/orphan/0")
    assert finish.record.cost_nano == 3_000_000 + 6_000_000
    assert (finish.record.attempt_count, finish.record.fallback_used) == (2, True)
    assert finish.record.cost_input_nano is None


def test_a_lost_one_is_kept_and_stands_for_what_its_caller_drew() -> None:
    said = TraceContext(
        parent_span_id="00f067aa0ba902b7", tracestate="ot=th:8;rv:c0000000000000,a=1", keep=True
    )
    finish = lost(begin(7, trace=said))
    told = finish.record

    assert (told.sampling_rule, told.trace_kept, told.adjusted_count) == ("forced", True, 2.0)
    assert (told.parent_span_id, told.tracestate) == (said.parent_span_id, said.tracestate)
    assert finish.detail.sampling is not None
    assert lost(begin(7)).record.sampling_rule == "error"
