from dataclasses import replace

import msgspec
import pytest
from msgspec import Raw
from msgspec.structs import replace as with_members
from tests.pipeline.conftest import (
    ANSWER,
    BEGAN,
    COST_NANO,
    DONE,
    FLOOR,
    GRANT,
    OVER,
    PRICES,
    ROLE,
    SAID,
    STOP,
    WARM,
    Rig,
    good_stream,
    json_answer,
    named,
    spent,
    sse,
    streamed,
)

from trimtab.control.snapshot import Grant
from trimtab.cost.lines import price_line
from trimtab.cost.lock import shipped_lock
from trimtab.cost.meter import Meter
from trimtab.cost.prices import PriceList
from trimtab.domain.errors import RecorderUnavailable
from trimtab.domain.model import Wire
from trimtab.domain.record import RequestRecord, Sampling
from trimtab.domain.tenant import ContentPolicy, Durability
from trimtab.pipeline.bill import Biller
from trimtab.pipeline.settle import Refusals
from trimtab.telemetry.sampling import Policy, Sampler
from trimtab.testing import RecordingReply, ScriptedAnswer

LONG = "a sentence that is said once and told often; " * 20


def parts(record: RequestRecord) -> list[int | None]:
    return [
        record.cost_input_nano,
        record.cost_cached_nano,
        record.cost_cache_write_nano,
        record.cost_output_nano,
        record.cost_other_nano,
    ]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(good_stream(), id="a stream"),
        pytest.param(json_answer(), id="a whole answer"),
        pytest.param(streamed(ROLE, WARM), id="a cut stream"),
        pytest.param(streamed(ROLE, WARM, STOP, DONE), id="an estimate"),
        pytest.param(json_answer(b"{}", 500), id="an error"),
    ],
)
async def test_the_parts_sum_to_the_cost_in_record_attempt_and_line(answer: ScriptedAnswer) -> None:
    rig = Rig(answer)

    await rig.ask()

    finish, record = rig.finish, rig.record
    assert record.cost_nano is not None
    assert sum(part or 0 for part in parts(record)) == record.cost_nano
    assert [attempt.cost_nano for attempt in finish.attempts] == [record.cost_nano]
    assert [line.cost_nano for line in finish.lines] == [record.cost_nano]


async def test_a_tenant_pays_by_its_own_contract() -> None:
    rig = Rig(good_stream())
    own = PRICES.of_contract({"sim/*": {"input": 6, "output": 30}})
    settle = replace(rig.pipeline.settle, bill=Biller(Meter(PRICES, {"acme": own})))
    rig.pipeline = replace(rig.pipeline, settle=settle)

    await rig.ask()

    assert rig.record.cost_nano == 2 * COST_NANO
    assert rig.finish.lines[0].price_version == own.version


async def test_a_line_keeps_all_that_its_price_was_made_of() -> None:
    prices = PriceList(shipped_lock(), {"sim/*": {"input": 3, "input_audio": 32, "output": 15}})
    usage = spent(12, 3)
    usage["usage"]["prompt_tokens_details"] = {"audio_tokens": 10}
    rig = Rig(streamed(ROLE, WARM, STOP, sse(usage), DONE))
    settle = replace(rig.pipeline.settle, bill=Biller(Meter(prices)))
    rig.pipeline = replace(rig.pipeline, settle=settle)

    await rig.ask()

    (line,) = rig.finish.lines
    assert line.cost_nano == 2 * 3_000 + 10 * 32_000 + 3 * 15_000
    assert price_line(line, prices, "sim", line.ts_us).cost_nano == line.cost_nano


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        pytest.param(b"", ("estimated", FLOOR, 3), id="missing is estimated"),
        pytest.param(sse(spent(0, 0)), ("provider", 0, 0), id="zero stays zero"),
        pytest.param(sse(spent(5, 1), spent(12, 3)), ("provider", 12, 3), id="the last one wins"),
        pytest.param(sse(spent(12, 3)) * 3, ("provider", 12, 3), id="repeated counts once"),
        pytest.param(
            sse({"choices": [], "usage": {"completion_tokens": 9}}),
            ("partial", FLOOR, 9),
            id="a missing input is estimated",
        ),
        pytest.param(
            sse({"choices": [], "usage": {"prompt_tokens": 9}}),
            ("partial", 9, 3),
            id="a missing output is estimated",
        ),
        pytest.param(
            sse({"choices": [], "usage": {"prompt_tokens": "12", "completion_tokens": 3}}),
            ("provider", 12, 3),
            id="a number in a string",
        ),
        pytest.param(sse({"choices": [], "usage": 7}), ("estimated", FLOOR, 3), id="nonsense"),
    ],
)
async def test_usage_is_what_the_provider_says_and_else_an_estimate(
    usage: bytes, expected: tuple[str, int, int]
) -> None:
    rig = Rig(streamed(ROLE, WARM, STOP, usage + DONE))

    await rig.ask()

    record = rig.record
    assert (record.usage_source, record.input_tokens, record.output_tokens) == expected
    assert record.cost_nano == expected[1] * 3_000 + expected[2] * 15_000


async def test_the_first_usage_of_a_messages_stream_is_never_final() -> None:
    rig = Rig(streamed(BEGAN, SAID, OVER))

    await rig.ask(rig.request(wire=Wire.ANTHROPIC_MESSAGES))

    record = rig.record
    assert (record.usage_source, record.input_tokens, record.output_tokens) == ("partial", 12, 3)


async def test_t11_cumulative_usage_of_a_messages_stream_is_not_added_up() -> None:
    growing = [
        named({"type": "message_delta", "delta": {}, "usage": {"output_tokens": count}})
        for count in (3, 9, 21)
    ]
    rig = Rig(streamed(BEGAN, SAID, *growing, OVER))

    await rig.ask(rig.request(wire=Wire.ANTHROPIC_MESSAGES))

    assert (rig.record.usage_source, rig.record.output_tokens) == ("provider", 21)


async def test_an_estimate_is_priced_as_the_service_that_was_told() -> None:
    began = named(
        {
            "type": "message_start",
            "message": {"usage": {"input_tokens": 12, "service_tier": "priority"}},
        }
    )
    rig = Rig(streamed(began, SAID))

    await rig.ask(rig.request(wire=Wire.ANTHROPIC_MESSAGES))

    assert rig.record.usage_source == "partial"
    assert rig.record.cost_nano is None
    assert parts(rig.record) == [None] * 5


async def test_a_whole_answer_without_usage_is_estimated() -> None:
    rig = Rig(json_answer(msgspec.json.encode({"choices": [{"message": {"content": "x" * 9}}]})))

    await rig.ask(rig.request(stream=False))

    assert (rig.record.usage_source, rig.record.output_tokens) == ("estimated", 3)


@pytest.mark.parametrize("stream", [True, False])
async def test_times_fit_one_another(*, stream: bool) -> None:
    rig = Rig()

    class Slow(ScriptedAnswer):
        async def read(self) -> bytes:
            rig.clock.advance(0.25)
            return await super().read()

    class Hesitant(RecordingReply):
        async def write(self, data: bytes) -> None:
            rig.clock.advance(0.125)
            await super().write(data)

    blocks = [ROLE, WARM, STOP, DONE] if stream else [ANSWER]
    rig.provider.answers.append(
        Slow(blocks, content_type=b"text/event-stream" if stream else b"application/json")
    )
    rig.clock.advance(3)
    request = rig.request(stream=stream)
    rig.clock.advance(0.5)

    await rig.ask(request, Hesitant())

    record, (attempt,) = rig.record, rig.finish.attempts
    assert record.end_us - record.ts_us == record.latency_us
    assert record.provider_us == attempt.dur_us
    assert record.overhead_us + record.provider_us == record.latency_us
    assert record.overhead_us == 500_000
    assert attempt.started_us == record.ts_us + 500_000
    assert attempt.ttft_us == 500_000
    assert record.ttft_us == 1_000_000
    stages = rig.finish.detail.stages
    assert [stage.stage for stage in stages] == [
        "admit",
        "plan",
        "screen_input",
        "fund",
        "call",
        "settle",
    ]
    assert sum(stage.dur_us for stage in stages) == record.latency_us


@pytest.mark.parametrize("durability", list(Durability))
async def test_the_last_byte_waits_for_the_disk_where_a_tenant_asks_for_it(
    durability: Durability,
) -> None:
    rig = Rig(good_stream(), grant=replace(GRANT, durability=durability))

    await rig.ask()

    strict = durability is Durability.STRICT
    assert rig.spool.waited == ([len(rig.spool.frames)] if strict else [])


async def test_a_disk_that_fails_is_told_where_a_tenant_waits_for_it() -> None:
    rig = Rig(good_stream(), grant=replace(GRANT, durability=Durability.STRICT))
    rig.spool.syncs = False

    reply = await rig.ask()

    assert isinstance(reply.error, RecorderUnavailable)
    assert reply.calls[-1] == "cut"
    assert len(rig.finishes) == 1


@pytest.mark.parametrize(
    ("grant", "members", "expected"),
    [
        pytest.param(GRANT, {}, ("full", ""), id="all is there"),
        pytest.param(
            replace(GRANT, content=ContentPolicy.NONE),
            {},
            ("none", "content_absent"),
            id="nothing is kept",
        ),
        pytest.param(
            GRANT,
            {"previous_response_id": "resp_1"},
            ("partial", "provider_state"),
            id="the provider remembers",
        ),
        pytest.param(
            replace(GRANT, content=ContentPolicy.NONE),
            {"container": "c"},
            ("none", "content_absent,provider_state"),
            id="both",
        ),
    ],
)
async def test_says_whether_the_answer_can_be_asked_for_again(
    grant: Grant, members: dict[str, str], expected: tuple[str, str]
) -> None:
    rig = Rig(good_stream(), grant=grant)

    await rig.ask(rig.request(members))

    assert (rig.record.replay, rig.record.replay_gaps) == expected
    assert (rig.record.input_ref is not None) == (expected[0] != "none")


async def test_what_was_never_begun_has_nothing_to_replay() -> None:
    rig = Rig()

    await rig.ask(rig.request(model="nothing"))

    assert (rig.record.replay, rig.record.replay_gaps) == ("none", "")
    assert rig.record.content_state == "absent"


async def test_a_tenant_whose_content_is_not_kept_leaves_none() -> None:
    rig = Rig(good_stream(), grant=replace(GRANT, content=ContentPolicy.NONE))
    diary = "dear diary of the house"

    await rig.ask(rig.request({"messages": [{"role": "user", "content": diary}]}))

    written = b"".join(payload for _, payload in rig.spool.frames)
    assert diary.encode() not in written
    assert b"degrees" not in written
    assert (rig.begins[0].content, rig.finish.content) == ((), ())
    assert (rig.record.content_state, rig.record.content_bytes) == ("absent", 0)
    assert rig.begins[0].sent_hash


async def test_an_answer_said_twice_is_stored_once() -> None:
    answer = sse({"choices": [{"delta": {"content": LONG}}]})
    rig = Rig(streamed(answer, DONE), streamed(answer, DONE))

    await rig.ask()
    await rig.ask()

    first, second = rig.finishes
    assert first.record.output_ref == second.record.output_ref
    assert first.content
    assert second.content == ()


async def test_the_record_tells_all_of_the_request() -> None:
    rig = Rig(good_stream())
    request = rig.request(
        {"temperature": Raw(b"0.70"), "user": "u1"},
        feature="search",
        end_user="u1",
        conversation="c1",
        tags='{"a":"b"}',
        client_retry=2,
    )

    await rig.ask(request)

    record = rig.record
    assert record.config_seq == 7
    assert (record.tenant_id, record.tier, record.key_id) == ("acme", "free", GRANT.key.id)
    assert (record.model_requested, record.model_kind) == ("chat", "alias")
    assert (record.target, record.provider) == ("sim/large", "sim")
    assert (record.model_response, record.response_id) == ("large-2026-01-01", "chatcmpl-1")
    assert (record.feature, record.conversation_id, record.tags) == ("search", "c1", '{"a":"b"}')
    assert record.params == '{"temperature":0.70}'
    assert (record.client_retry, record.origin, record.env) == (2, "live", "test")
    assert record.user_hash not in (None, "u1")
    assert record.cost_nano == COST_NANO


async def test_a_line_and_its_record_name_the_same_things() -> None:
    rig = Rig(good_stream())

    await rig.ask()

    (line,), record = rig.finish.lines, rig.record
    assert line.line_id == f"{record.request_id}/1/charge/0"
    assert (line.tenant_id, line.key_id, line.feature) == (
        record.tenant_id,
        record.key_id,
        record.feature,
    )
    assert (line.provider, line.model_sent) == ("sim", "large")
    assert line.day_local == rig.finish.day_local == "2026-01-01"
    assert (line.input_tokens, line.output_tokens) == (12, 3)


async def test_a_flood_of_refusals_is_counted_and_not_recorded() -> None:
    rig = Rig()
    for _ in range(Refusals.MOST + 3):
        await rig.ask(with_members(rig.request(), model="guess"))

    assert len(rig.finishes) == Refusals.MOST
    assert rig.spool.notes == {"model_not_found": 3}

    rig.clock.advance(1)
    await rig.ask(with_members(rig.request(), model="guess"))
    assert len(rig.finishes) == Refusals.MOST + 1


async def test_what_is_decided_travels_in_the_finish() -> None:
    rig = Rig(json_answer(), policy=Policy(rest=0.0001))

    await rig.ask(rig.request(stream=False))

    record = rig.record
    assert (record.sampling_rule, record.trace_kept) == ("rest", False)
    assert record.tracestate == "ot=th:fff9"
    assert rig.finish.detail.sampling == Sampling(policy=Sampler(Policy(rest=0.0001)).version)


async def test_an_outcome_that_could_not_be_written_is_decided_on_as_the_error_that_it_is() -> None:
    rig = Rig(json_answer(), json_answer(), policy=Policy(rest=0.0001))
    rig.spool.room_for_finishes = 0
    await rig.ask(rig.request(stream=False))
    rig.spool.room_for_finishes = 9
    await rig.ask(rig.request(stream=False))

    first, second = (it.record for it in rig.finishes)
    assert (first.sampling_rule, first.trace_kept, first.tracestate) == ("error", True, "ot=th:0")
    assert second.sampling_rule == "rest"
