from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec
import pytest
from msgspec import Raw
from tests.pipeline.conftest import (
    ACME,
    CHAT,
    COST_NANO,
    GRANT,
    MESSAGES,
    PRICES,
    Rig,
    json_answer,
)

from trimtab.control.snapshot import Grant
from trimtab.cost.lock import shipped_lock
from trimtab.cost.meter import Meter
from trimtab.cost.prices import PriceList
from trimtab.domain.budget import Budget, Period, Speed, WhenEmpty
from trimtab.domain.errors import (
    BudgetExhausted,
    BudgetHeld,
    BudgetUnreachable,
    LimitsUnavailable,
    PriceUnknown,
    TrimtabError,
)
from trimtab.domain.ids import TenantId
from trimtab.domain.model import Fallback, Model, Provider, ProviderWire, Target, Wire
from trimtab.domain.record import Origin
from trimtab.domain.tenant import EVALS
from trimtab.domain.usage import Usage, UsageSource
from trimtab.pipeline.estimate import UNDECLARED_OUTPUT
from trimtab.pipeline.handoff import Funded, Screened
from trimtab.store.base.limits import NOBODY, NOTHING, Asker, Held, Need, Spending
from trimtab.store.memory.limits import MemoryLimits

USD = 10**9
INPUT, OUTPUT = 3_000, 15_000
"""What a token of `sim/*` costs in these tests, in nano-USD."""
FLOOR = -(-len(MESSAGES) // 4)
HELD = FLOOR * INPUT + 100 * OUTPUT
"""What a request holds that declares 100 tokens of output."""


def granted(
    budget: Budget,
    *,
    features: Mapping[str, Budget] | None = None,
    each_end_user: Budget | None = None,
    key: Budget | None = None,
) -> Grant:
    tenant = msgspec.structs.replace(
        ACME,
        timezone="Europe/Rome",
        budget=budget,
        features=features or {},
        each_end_user=each_end_user or Budget(),
    )
    return replace(
        GRANT,
        tenant=tenant,
        budget=budget,
        key=msgspec.structs.replace(GRANT.key, budget=key or Budget()),
    )


async def fund(
    rig: Rig,
    members: Mapping[str, object] | None = None,
    told: Mapping[str, object] | None = None,
) -> Funded:
    """Hold what a request needs; without more it declares 100 tokens of output."""
    given = {"max_tokens": 100, **(members or {})}
    raws = {name: Raw(msgspec.json.encode(value)) for name, value in given.items()}
    request = rig.request({"messages": Raw(MESSAGES), **raws})
    request = msgspec.structs.replace(request, **(told or {}))
    pipeline = rig.pipeline
    planned = pipeline.plan(pipeline.admit(pipeline.identify(request)))
    return await pipeline.fund(Screened(planned))


def held_nano(funded: Funded) -> int:
    (need,) = [need for need in funded.holds if need.kind == "window"]
    return need.amount


async def test_holds_what_the_request_may_cost_at_most() -> None:
    rig = Rig(grant=granted(Budget(nano=USD)))

    funded = await fund(rig)

    assert held_nano(funded) == HELD
    assert funded.budget() == (USD - HELD, 1_769_900_400_000_000)  # 1 February, in Rome


async def test_an_evaluation_counts_against_the_key_and_not_against_the_tenant() -> None:
    rig = Rig(
        grant=granted(Budget(nano=1), features={"default": Budget(nano=1)}, key=Budget(nano=USD))
    )

    funded = await fund(rig, told={"origin": Origin.EVAL})

    (need,) = [need for need in funded.holds if need.kind == "window"]
    assert (need.amount, need.size) == (HELD, USD)
    assert "key" in need.name


async def test_the_tenant_of_evaluations_has_a_budget_for_them() -> None:
    grant = granted(Budget(nano=USD))
    grant = replace(grant, tenant=msgspec.structs.replace(grant.tenant, id=TenantId(EVALS)))

    funded = await fund(Rig(grant=grant), told={"origin": Origin.JUDGE})

    assert held_nano(funded) == HELD


@pytest.mark.parametrize(
    ("members", "output"),
    [
        pytest.param({"max_tokens": None}, UNDECLARED_OUTPUT, id="nothing declared"),
        pytest.param({"max_completion_tokens": 7}, 7, id="the newer name wins"),
        pytest.param({"n": 3}, 300, id="several answers"),
        pytest.param({"n": "three"}, 100, id="nonsense is the provider's to refuse"),
    ],
)
async def test_output_is_held_as_declared(members: Mapping[str, object], output: int) -> None:
    rig = Rig(grant=granted(Budget(nano=USD)))

    funded = await fund(rig, members)

    assert held_nano(funded) == FLOOR * INPUT + output * OUTPUT


async def test_a_request_that_may_fall_back_holds_for_the_dearest_target() -> None:
    dear = Provider(name="dear", wire=ProviderWire.OPENAI, url="https://dear", prices_as="openai")
    model = msgspec.structs.replace(
        CHAT, fallback=Fallback(when_context_too_long=("dear/gpt-5-pro",))
    )
    rig = Rig(grant=granted(Budget(nano=USD)), model=model, others=[dear])

    funded = await fund(rig)

    assert held_nano(funded) == FLOOR * 15_000 + 100 * 120_000


async def test_t14_a_long_context_is_held_at_the_price_of_long_contexts() -> None:
    prices = PriceList(shipped_lock())
    anthropic = Provider(name="anthropic", wire=ProviderWire.ANTHROPIC, url="https://a")
    target = Target("anthropic", "claude-sonnet-4-5")
    row = prices.find("anthropic", target.model, at_us=1_767_225_600_000_000)
    assert row is not None
    long, short = row.rates(10**6), row.rates(0)
    assert long.input > short.input
    tokens = long.above + 1
    usage = Usage(source=UsageSource.ESTIMATED, input_tokens=tokens, output_tokens=100)

    held = Meter(prices).charge(anthropic, target, usage, 1_767_225_600_000_000).cost_nano

    expected = tokens * long.input + 100 * (long.output or 0)
    assert held == -(-(expected - 500_000) // 10**6)
    # And so a request holds it: its text is four bytes a token.
    rig = Rig(
        grant=replace(granted(Budget(nano=100 * USD)), models=frozenset({"long"})),
        model=Model(name="long", kind=CHAT.kind, to=Target("sim2", "claude-sonnet-4-5")),
        others=[
            Provider(name="sim2", wire=ProviderWire.CALLER, url="https://s", prices_as="anthropic")
        ],
    )
    text = "x" * (4 * tokens)
    asked = {"messages": [{"role": "user", "content": text}]}
    request = rig.request({name: Raw(msgspec.json.encode(it)) for name, it in asked.items()})
    request = msgspec.structs.replace(request, model="long")
    pipeline = rig.pipeline
    planned = pipeline.plan(pipeline.admit(pipeline.identify(request)))
    funded = await pipeline.fund(Screened(planned))
    per_million = long.input * funded.input_floor + (long.output or 0) * UNDECLARED_OUTPUT
    assert held_nano(funded) == pytest.approx(per_million / 10**6, abs=1)


async def test_what_is_written_to_a_cache_is_held_at_its_price() -> None:
    prices = {"sim/*": {"input": 3, "cache_write_5m": 3.75, "cache_write_1h": 6, "output": 15}}
    rig = Rig(grant=granted(Budget(nano=USD)))
    money = rig.pipeline.fund.money
    meter = Meter(PriceList(shipped_lock(), prices))
    rig.pipeline = replace(
        rig.pipeline, fund=replace(rig.pipeline.fund, money=replace(money, pricing=meter))
    )
    system = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]

    funded = await fund(rig, {"system": system}, {"wire": Wire.ANTHROPIC_MESSAGES})

    assert held_nano(funded) == funded.input_floor * 6_000 + 100 * OUTPUT


async def test_it_is_held_by_the_prices_of_the_tenants_own_contract() -> None:
    rig = Rig(grant=granted(Budget(nano=USD)))
    money = rig.pipeline.fund.money
    own = PRICES.of_contract({"sim/*": {"input": 6, "output": 30}})
    meter = Meter(PRICES, {"acme": own})
    rig.pipeline = replace(
        rig.pipeline, fund=replace(rig.pipeline.fund, money=replace(money, pricing=meter))
    )

    funded = await fund(rig)

    assert held_nano(funded) == FLOOR * 6_000 + 100 * 30_000


async def test_who_has_a_budget_calls_nothing_that_has_no_price() -> None:
    unpriced = Model(name="chat", kind=CHAT.kind, to=Target("other", "large"))
    other = Provider(name="other", wire=ProviderWire.CALLER, url="https://other")

    def rig(grant: Grant) -> Rig:
        return Rig(grant=grant, model=unpriced, others=[other], reject_unpriced=False)

    await fund(rig(GRANT))

    with pytest.raises(PriceUnknown, match="tenant 'acme' has a budget"):
        await fund(rig(granted(Budget(nano=USD))))


async def test_a_budget_that_is_spent_is_told_with_the_day_it_begins_anew() -> None:
    rig = Rig(grant=granted(Budget(nano=HELD)))
    first = await fund(rig)
    await rig.pipeline.fund.settle(first, tokens=1, cost_nano=1)

    with pytest.raises(BudgetExhausted, match="budget of tenant 'acme' for this month") as raised:
        await fund(rig)

    assert raised.value.resets_us == 1_769_900_400_000_000


async def test_what_runs_may_leave_room() -> None:
    rig = Rig(grant=granted(Budget(nano=HELD)))
    first = await fund(rig)

    with pytest.raises(BudgetHeld) as raised:
        await fund(rig)
    await rig.pipeline.fund.settle(first, tokens=0, cost_nano=0)

    assert raised.value.wait_s == 2.0
    assert await fund(rig)


async def test_what_can_never_fit_is_told_so() -> None:
    with pytest.raises(BudgetUnreachable, match=r"more than the whole .* 0\.0001 USD"):
        await fund(Rig(grant=granted(Budget(nano=100_000))))


async def test_a_speed_refills_and_says_when() -> None:
    budget = Budget(speed=Speed(nano=2 * HELD, per=Period.HOUR))
    rig = Rig(grant=granted(budget))
    await fund(rig)
    await fund(rig)

    with pytest.raises(BudgetHeld, match="spending speed of tenant 'acme'") as raised:
        await fund(rig)
    rig.clock.advance(raised.value.wait_s or 0)

    assert raised.value.wait_s == pytest.approx(1800, rel=1e-3)
    assert await fund(rig)


async def test_who_is_only_to_be_warned_goes_on() -> None:
    rig = Rig(grant=granted(Budget(nano=1, when_empty=WhenEmpty.WARN)))

    funded = await fund(rig)

    assert funded.budget() == (1 - HELD, 1_769_900_400_000_000)


ONE = Budget(nano=HELD)


@pytest.mark.parametrize(
    ("grant", "told", "named"),
    [
        (granted(Budget(), features={"search": ONE}), {"feature": "search"}, "feature 'search'"),
        (granted(Budget(), each_end_user=ONE), {"end_user": "ana"}, "this user"),
        (granted(Budget(), key=ONE), {}, "key 'acme-ci'"),
    ],
)
async def test_features_users_and_keys_have_budgets_of_their_own(
    grant: Grant, told: Mapping[str, str], named: str
) -> None:
    rig = Rig(grant=grant)
    await fund(rig, told=told)

    with pytest.raises(TrimtabError, match=named):
        await fund(rig, told=told)

    others = dict.fromkeys(told, "other")
    if others:
        assert await fund(rig, told=others)


async def test_what_was_spent_before_is_asked_of_the_ledger_once() -> None:
    rig = Rig(grant=granted(Budget(nano=10 * HELD)))
    month = Spending(
        tenant_id="acme", since_us=1_767_222_000_000_000, until_us=1_769_900_400_000_000
    )
    rig.spent[month] = 9 * HELD

    assert await fund(rig)
    rig.spent[month] = 0

    with pytest.raises(BudgetHeld):
        await fund(rig)


async def test_an_answer_books_what_it_cost_and_nothing_stays_held() -> None:
    rig = Rig(json_answer(), grant=granted(Budget(nano=USD)))

    reply = await rig.ask(rig.request(stream=False))

    assert reply.facts
    assert reply.facts.budget
    after = (await fund(rig)).budget()
    assert after == (USD - COST_NANO - HELD, 1_769_900_400_000_000)


async def test_a_store_that_forgets_what_it_is_told_is_not_asked_for_ever() -> None:
    class Forgetful(MemoryLimits):
        async def prime(self, need: Need, spent: int, held: Mapping[str, int] = NOTHING) -> None:
            pass

    rig = Rig(grant=granted(Budget(nano=USD)))
    forgetful = replace(rig.pipeline.fund, limits=Forgetful(rig.clock))
    rig.pipeline = replace(rig.pipeline, fund=forgetful)

    with pytest.raises(LimitsUnavailable):
        await fund(rig)


async def test_a_share_that_is_used_up_is_no_budget_that_is_spent() -> None:
    class Alone(MemoryLimits):
        async def hold(
            self,
            request_id: str,
            needs: Sequence[Need],
            *,
            lease_s: float,
            asker: Asker = NOBODY,
        ) -> Held:
            held = await super().hold(request_id, needs, lease_s=lease_s, asker=asker)
            return held if held.unknown == 0 else Held(denied=0, is_degraded=True)

    rig = Rig(grant=granted(Budget(nano=USD)))
    alone = replace(rig.pipeline.fund, limits=Alone(rig.clock))
    rig.pipeline = replace(rig.pipeline, fund=alone)

    with pytest.raises(LimitsUnavailable, match="by itself is used up") as raised:
        await fund(rig)

    assert raised.value.wait_s == 1.0
