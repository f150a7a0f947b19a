"""What is held for a request: what is learnt of those before, and what is possible at most."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw
from tests.pipeline.conftest import (
    ACME,
    CHAT,
    DONE,
    GRANT,
    MESSAGES,
    ROLE,
    SIM,
    STOP,
    WARM,
    Rig,
    json_answer,
    spent,
    sse,
    streamed,
)

from trimtab.control.snapshot import Grant
from trimtab.cost.lock import shipped_lock
from trimtab.cost.meter import Meter
from trimtab.cost.prices import PriceList
from trimtab.domain.budget import Budget, Hold, Speed, WhenEmpty
from trimtab.domain.errors import FieldNotAllowed, MaximumUnknown, TrimtabError
from trimtab.domain.model import AfterFirstToken, Fallback, Maximum, Provider, Retry, Target, Wire
from trimtab.domain.transport import ConnectionLost
from trimtab.domain.usage import Usage, UsageSource
from trimtab.pipeline.estimate import (
    ADDED_UNSEEN,
    LEARN_ALL,
    LEARN_EVERY,
    UNDECLARED_OUTPUT,
)
from trimtab.pipeline.handoff import Funded, Screened
from trimtab.pipeline.learnt import LEAST_SEEN
from trimtab.testing import ScriptedAnswer

USD = 10**9
INPUT, OUTPUT = 3_000, 15_000
"""What a token of `sim/*` costs in these tests, in nano-USD."""
TEXT = b'[{"role":"user","content":"%s"}]' % (b"a" * 1000)
FLOOR = -(-len(TEXT) // 4)
MOST = msgspec.structs.replace(SIM, max_tokens={"*": Maximum(input=50_000, output=8_000)})
STRICT = Budget(nano=USD, hold=Hold.STRICT)


def granted(budget: Budget, *, key: Budget | None = None, tools: Sequence[str] = ()) -> Grant:
    tenant = msgspec.structs.replace(ACME, budget=budget, server_tools=tuple(tools))
    of_key = msgspec.structs.replace(GRANT.key, budget=key or Budget())
    return replace(GRANT, tenant=tenant, budget=budget, key=of_key)


def screened(
    rig: Rig, members: Mapping[str, object] | None = None, told: Mapping[str, object] | None = None
) -> Screened:
    given = {"messages": Raw(TEXT), **(members or {})}
    raws = {name: Raw(msgspec.json.encode(value)) for name, value in given.items()}
    request = msgspec.structs.replace(rig.request(raws), **(told or {}))
    pipeline = rig.pipeline
    return Screened(pipeline.plan(pipeline.admit(pipeline.identify(request))))


async def fund(
    rig: Rig, members: Mapping[str, object] | None = None, told: Mapping[str, object] | None = None
) -> Funded:
    return await rig.pipeline.fund(screened(rig, members, told))


def held_nano(funded: Funded) -> int:
    return next(need.amount for need in funded.holds if need.kind == "window")


async def learn(
    rig: Rig,
    usage: Usage,
    times: int = LEAST_SEEN,
    members: Mapping[str, object] | None = None,
) -> None:
    """Hold for requests, and have each use the same."""
    for _ in range(times):
        funded = await fund(rig, members)
        route = funded.screened.planned.routes[0]
        rig.pipeline.fund.money.learn(funded, route, usage)
        await rig.pipeline.fund.settle(funded, tokens=1, cost_nano=0)


def told(read: int, wrote: int, source: UsageSource = UsageSource.PROVIDER) -> Usage:
    return Usage(source=source, input_tokens=read, output_tokens=wrote)


async def test_an_undeclared_answer_is_held_as_long_as_ninety_nine_of_a_hundred_were() -> None:
    rig = Rig(grant=granted(Budget(nano=USD)))
    await learn(rig, told(0, 31), LEAST_SEEN - 1)
    assert held_nano(await fund(rig)) == FLOOR * INPUT + UNDECLARED_OUTPUT * OUTPUT

    await learn(rig, told(0, 31), 1)

    assert held_nano(await fund(rig)) == FLOOR * INPUT + 31 * OUTPUT
    assert held_nano(await fund(rig, {"n": 2})) == FLOOR * INPUT + 62 * OUTPUT
    assert held_nano(await fund(rig, {"max_tokens": 50})) == FLOOR * INPUT + 50 * OUTPUT
    other = held_nano(await fund(rig, told={"feature": "other"}))
    assert other == FLOOR * INPUT + UNDECLARED_OUTPUT * OUTPUT


async def test_it_begins_with_what_the_model_writes_at_most_where_that_is_known() -> None:
    rig = Rig(grant=granted(Budget(nano=USD)), provider=MOST)

    assert held_nano(await fund(rig)) == FLOOR * INPUT + 8_000 * OUTPUT

    await learn(rig, told(0, 20_000))

    assert held_nano(await fund(rig)) == FLOOR * INPUT + 8_000 * OUTPUT


@pytest.mark.parametrize(
    ("usage", "members"),
    [
        pytest.param(told(0, 31, UsageSource.PARTIAL), {}, id="not the provider's last word"),
        pytest.param(
            msgspec.structs.replace(told(0, 31), inconsistent=True), {}, id="contradicts itself"
        ),
        pytest.param(told(0, 31), {"max_tokens": 31}, id="cut by what was declared"),
        pytest.param(told(0, 31), {"n": 3}, id="three answers in one sum"),
    ],
)
async def test_of_what_says_nothing_nothing_is_learnt(
    usage: Usage, members: Mapping[str, object]
) -> None:
    rig = Rig(grant=granted(Budget(nano=USD)))

    await learn(rig, usage, members=members)

    assert held_nano(await fund(rig)) == FLOOR * INPUT + UNDECLARED_OUTPUT * OUTPUT


async def test_text_is_held_as_its_model_was_seen_to_read_it() -> None:
    rig = Rig(grant=granted(Budget(nano=USD)))

    await learn(rig, told(FLOOR // 2, 0))

    held = held_nano(await fund(rig, {"max_tokens": 100})) - 100 * OUTPUT
    assert FLOOR // 2 * INPUT <= held <= FLOOR * INPUT * 17 / 32 + INPUT


@pytest.mark.parametrize(
    ("read", "text"),
    [
        pytest.param(5 * FLOOR, TEXT, id="more than a token a byte is no text"),
        pytest.param(40, MESSAGES, id="of short texts most is what stands around them"),
    ],
)
async def test_what_is_no_text_corrects_no_text(read: int, text: bytes) -> None:
    rig = Rig(grant=granted(Budget(nano=USD)))

    await learn(rig, told(read, 0), members={"messages": Raw(text)})

    assert held_nano(await fund(rig, {"max_tokens": 100})) == FLOOR * INPUT + 100 * OUTPUT


async def test_answers_teach_by_themselves_and_only_where_money_is_held() -> None:
    def answers() -> list[ScriptedAnswer]:
        blocks = ROLE, WARM, STOP, sse(spent(12, 31)), DONE
        return [streamed(*blocks) for _ in range(LEAST_SEEN)]

    rig = Rig(*answers(), grant=granted(Budget(nano=USD)))
    free = Rig(*answers())
    for it in (rig, free):
        for _ in range(LEAST_SEEN):
            await it.ask(it.request({"messages": Raw(TEXT)}))

    assert rig.pipeline.fund.money.guess.outputs.p99(("chat", "default")) == 31
    assert len(free.pipeline.fund.money.guess.outputs) == 0


async def test_once_enough_is_known_one_answer_of_eight_is_looked_at() -> None:
    rig = Rig(grant=granted(Budget(nano=USD)))
    guess = rig.pipeline.fund.money.guess
    funded = await fund(rig)
    route = funded.screened.planned.routes[0]
    for _ in range(LEARN_ALL):
        guess.learn(funded, route, told(0, 0))

    for _ in range((LEAST_SEEN - 1) * LEARN_EVERY):
        guess.learn(funded, route, told(0, 31))
    assert guess.outputs.p99(("chat", "default")) is None
    for _ in range(LEARN_EVERY):
        guess.learn(funded, route, told(0, 31))

    assert guess.outputs.p99(("chat", "default")) == 31


def body_of(funded: Funded) -> int:
    members = funded.screened.planned.admitted.request.members
    return sum(len(memoryview(it)) for it in members.values())


@pytest.mark.parametrize("declared", [{}, {"max_tokens": 5}])
async def test_a_strict_budget_holds_every_byte_and_the_longest_answer_whatever_is_declared(
    declared: Mapping[str, object],
) -> None:
    rig = Rig(grant=granted(STRICT), provider=MOST)

    funded = await fund(rig, {**declared, "n": 2})

    read = body_of(funded) + ADDED_UNSEEN
    assert held_nano(funded) == read * INPUT + 2 * 8_000 * OUTPUT
    assert funded.is_strict


async def test_a_strict_hold_of_text_is_never_more_than_the_model_reads() -> None:
    provider = msgspec.structs.replace(SIM, max_tokens={"*": Maximum(input=900, output=10)})
    rig = Rig(grant=granted(STRICT), provider=provider)

    assert held_nano(await fund(rig)) == 900 * INPUT + 10 * OUTPUT


async def test_each_budget_of_a_request_is_held_in_its_own_way() -> None:
    rig = Rig(grant=granted(Budget(nano=USD), key=STRICT), provider=MOST)

    funded = await fund(rig, {"max_tokens": 5})

    of_tenant, of_key = (need.amount for need in funded.holds if need.kind == "window")
    assert of_tenant == FLOOR * INPUT + 5 * OUTPUT
    assert of_key == (body_of(funded) + ADDED_UNSEEN) * INPUT + 8_000 * OUTPUT


async def test_a_speed_is_held_as_strictly_as_its_budget() -> None:
    speed = Budget(speed=Speed(nano=USD), hold=Hold.STRICT)
    rig = Rig(grant=granted(speed), provider=MOST)

    funded = await fund(rig, {"max_tokens": 5})

    nano = (body_of(funded) + ADDED_UNSEEN) * INPUT + 8_000 * OUTPUT
    assert funded.holds[-1].amount == -(-nano // 1000)


async def test_a_budget_that_refuses_nothing_is_not_strict() -> None:
    budget = msgspec.structs.replace(STRICT, when_empty=WhenEmpty.WARN)

    funded = await fund(Rig(grant=granted(budget)), {"max_tokens": 5})

    assert held_nano(funded) == FLOOR * INPUT + 5 * OUTPUT
    assert not funded.is_strict


async def test_a_strict_budget_refuses_a_model_whose_longest_answer_nobody_knows() -> None:
    rig = Rig(grant=granted(STRICT))

    with pytest.raises(MaximumUnknown, match=r"of output target 'sim/large' .* `max_tokens`"):
        await fund(rig, {"max_tokens": 5})

    assert (await rig.limits.hold("other", [], lease_s=1)).left == ()


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(b'{"type":"image_url","image_url":{"url":"https://a"}}', id="an image"),
        pytest.param(b'{ "type" : "document", "source": {}}', id="a file, with blanks"),
        pytest.param(b'{"type":"im\\u0061ge"}', id="in escapes"),
        pytest.param(b'{"\\u0074ype":"image"}', id="a member in escapes"),
        pytest.param(b'{"type":"hologram"}', id="something new"),
        pytest.param(b'{"image_url":"https://a"}', id="without a type"),
    ],
)
async def test_what_has_no_length_in_the_body_holds_all_that_the_model_reads(part: bytes) -> None:
    members = {"messages": Raw(b'[{"role":"user","content":[%s]}]' % part)}
    output = msgspec.structs.replace(SIM, max_tokens={"large": Maximum(output=10)})

    funded = await fund(Rig(grant=granted(STRICT), provider=MOST), members)

    assert held_nano(funded) == 50_000 * INPUT + 8_000 * OUTPUT
    with pytest.raises(MaximumUnknown, match="tokens of input"):
        await fund(Rig(grant=granted(STRICT), provider=output), members)


async def test_text_in_parts_has_its_length_in_the_body() -> None:
    parts = [{"type": "text", "text": 'a photo of an image: {"type":"image"}'}]
    rig = Rig(grant=granted(STRICT), provider=MOST)

    funded = await fund(rig, {"messages": [{"role": "user", "content": parts}]})

    assert held_nano(funded) == (body_of(funded) + ADDED_UNSEEN) * INPUT + 8_000 * OUTPUT


async def test_an_earlier_answer_has_no_length_in_the_body() -> None:
    rig = Rig(grant=granted(STRICT), provider=MOST)

    funded = await rig.pipeline.fund(screened(rig, told={"previous": "resp_1"}))

    assert held_nano(funded) == 50_000 * INPUT + 8_000 * OUTPUT


async def test_a_tool_that_runs_at_the_provider_has_no_end() -> None:
    rig = Rig(grant=granted(STRICT, tools=["web_search"]), provider=MOST)

    with pytest.raises(FieldNotAllowed, match="'web_search' runs at the provider") as raised:
        await fund(rig, told={"server_tools": (("tools[0]", "web_search"),)})

    assert raised.value.param == "tools[0]"


async def test_embeddings_write_nothing_and_need_no_maximum_of_it() -> None:
    rig = Rig(grant=granted(STRICT))
    given = {"wire": Wire.OPENAI_EMBEDDINGS, "operation": "embeddings"}

    funded = await fund(rig, told=given)

    assert held_nano(funded) == (body_of(funded) + ADDED_UNSEEN) * INPUT


LOST = ConnectionLost("cut", before_headers=True)


@pytest.mark.parametrize(
    ("hold", "attempts"), [(Hold.ESTIMATE, 2), (Hold.STRICT, 1)], ids=["estimate", "strict"]
)
async def test_what_may_be_billed_is_the_last_attempt_of_a_strict_hold(
    hold: Hold, attempts: int
) -> None:
    budget = msgspec.structs.replace(STRICT, hold=hold)
    model = msgspec.structs.replace(CHAT, fallback=Fallback(when_error=("sim/small",)))
    rig = Rig(LOST, json_answer(), grant=granted(budget), provider=MOST, model=model)

    await rig.ask(rig.request(stream=False))

    assert rig.record.attempt_count == attempts


async def test_what_was_not_billed_is_tried_again_under_a_strict_hold() -> None:
    model = msgspec.structs.replace(CHAT, fallback=Fallback(when_error=("sim/small",)))
    refused = json_answer(b'{"error":{"message":"busy"}}', 503)
    rig = Rig(refused, json_answer(), grant=granted(STRICT), provider=MOST, model=model)

    reply = await rig.ask(rig.request(stream=False))

    assert (rig.record.attempt_count, reply.error) == (2, None)


async def test_a_text_that_was_cut_is_not_gone_on_with_under_a_strict_hold() -> None:
    fallback = Fallback(when_error=("other/x",), after_first_token=AfterFirstToken.CONTINUE)
    model = msgspec.structs.replace(CHAT, fallback=fallback, retry=Retry())
    other = msgspec.structs.replace(MOST, name="other", prefill=True, prices_as="sim")

    attempts: list[int | None] = []
    for budget in (Budget(nano=USD), STRICT):
        rig = Rig(
            streamed(ROLE, WARM, ConnectionLost("cut", before_headers=False)),
            streamed(ROLE, WARM, STOP, DONE),
            grant=granted(budget),
            provider=MOST,
            model=model,
            others=[other],
        )
        await rig.ask(rig.request())
        attempts.append(rig.record.attempt_count)

    assert attempts == [2, 1]


LISTED = Provider(
    name="listed",
    wire=SIM.wire,
    url="https://listed",
    prices_as="anthropic",
    max_tokens={"claude-sonnet-4-5": Maximum(output=500)},
)
METER = Meter(PriceList(shipped_lock()))
SIZE = 20 * USD // 100
USED = st.tuples(
    st.lists(st.floats(0, 1), min_size=6, max_size=6), st.integers(0, 500), st.integers(0, 400)
)


def usage_within(most_read: int, parts: Sequence[float], wrote: int) -> Usage:
    """Share some of what may be read out among caches of all kinds."""
    whole = sum(parts) or 1.0
    read, cached, five, thirty, hour, twelve = (int(most_read * it / whole) for it in parts)
    return Usage(
        source=UsageSource.PROVIDER,
        input_tokens=read + cached + five + thirty + hour + twelve,
        cached_tokens=cached,
        cache_write_5m=five,
        cache_write_1h=thirty + hour + twelve,
        output_tokens=wrote,
    )


class Naive:
    """A strict budget and its requests. State: what was spent, and what runs with its usage."""

    def __init__(self) -> None:
        budget = Budget(nano=SIZE, hold=Hold.STRICT)
        model = msgspec.structs.replace(CHAT, to=Target("listed", "claude-sonnet-4-5"))
        self.rig = Rig(grant=granted(budget), provider=LISTED, model=model, reject_unpriced=False)
        fund = self.rig.pipeline.fund
        self.fund = replace(fund, money=replace(fund.money, pricing=METER))
        self.spent = 0
        self.running: list[tuple[Funded, Usage]] = []

    async def ask(self, parts: Sequence[float], wrote: int, length: int) -> None:
        text = Raw(msgspec.json.encode([{"role": "user", "content": "x" * length}]))
        try:
            funded = await self.fund(screened(self.rig, {"messages": text, "max_tokens": 1}))
        except TrimtabError:
            return
        most_read = body_of(funded) + ADDED_UNSEEN
        self.running.append((funded, usage_within(most_read, parts, wrote)))
        held = sum(held_nano(it) for it, _ in self.running)
        left = funded.budget()
        assert self.spent + held <= SIZE
        assert left is not None
        assert left.nano == SIZE - self.spent - held

    async def end(self, number: int) -> None:
        if number < len(self.running):
            funded, usage = self.running.pop(number)
            route = funded.screened.planned.routes[0]
            at = route.provider, route.target, usage, self.rig.clock.now_us()
            cost = METER.charge(*at).cost_nano
            assert cost is not None
            assert cost <= held_nano(funded)
            await self.fund.settle(funded, tokens=1, cost_nano=cost)
            self.spent += cost


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(USED | st.integers(0, 5), min_size=1, max_size=25))
def test_under_strict_holds_what_is_spent_and_held_never_passes_the_limit(
    steps: Sequence[tuple[list[float], int, int] | int],
) -> None:
    """A tuple asks: how the usage will be shared, how long its answer and its text.

    A number is which of the running requests ends.
    """

    async def run() -> None:
        naive = Naive()
        for step in steps:
            await (naive.end(step) if isinstance(step, int) else naive.ask(*step))

    asyncio.run(run())


DEARER = [
    {"input": 3, "output": 15},
    {"input": 6, "output": 30, "context": {"service_tier": "priority"}},
    {"input": 9, "output": 45, "context": {"region": "us"}},
]


@pytest.mark.parametrize(
    ("members", "times"),
    [
        pytest.param({}, 3, id="whatever the project's or workspace's default is"),
        pytest.param({"inference_geo": "global"}, 2, id="a region that is named"),
        pytest.param({"inference_geo": "global", "service_tier": "default"}, 1, id="both named"),
    ],
)
async def test_a_strict_hold_covers_the_dearest_service_that_may_be_given(
    members: Mapping[str, object], times: int
) -> None:
    rig = Rig(grant=granted(STRICT), provider=MOST)
    pricing = Meter(PriceList(shipped_lock(), {"sim/*": DEARER}))
    money = replace(rig.pipeline.fund.money, pricing=pricing)

    funded = await replace(rig.pipeline.fund, money=money)(screened(rig, members))

    ordinary = (body_of(funded) + ADDED_UNSEEN) * INPUT + 8_000 * OUTPUT
    assert held_nano(funded) == times * ordinary
