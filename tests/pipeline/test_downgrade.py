"""A budget that is empty may lead to a cheaper model instead of nowhere."""

from dataclasses import replace

import msgspec
import pytest
from tests.pipeline.conftest import ACME, CHAT, GRANT, Rig, json_answer

from trimtab.domain.budget import Budget, Downgrade, WhenEmpty
from trimtab.domain.model import Model, ModelKind, Target, Wire
from trimtab.store.base.limits import Spending

USD = 10**9
SMALL = Model(name="chat-small", kind=ModelKind.ALIAS, to=Target("sim", "small"))
FROZEN = Model(name="chat", kind=ModelKind.FREEZER, to=Target("sim", "large-2026-01-15"))
LEADS_ON = Budget(nano=1, when_empty=Downgrade(to="chat-small", nano=USD))


def rig_of(budget: Budget = LEADS_ON, model: Model = CHAT, **models: Model) -> Rig:
    tenant = msgspec.structs.replace(ACME, budget=budget)
    rig = Rig(json_answer(), grant=replace(GRANT, tenant=tenant, budget=budget), model=model)
    known = {model.name: model, "chat-small": SMALL, **models}
    rig.snapshot = replace(rig.snapshot, models=known)
    return rig


async def ask(rig: Rig) -> tuple[str | None, str | None]:
    """Ask, and tell the model that was funded, and why nobody was asked."""
    reply = await rig.ask(rig.request({"max_tokens": 10}, stream=False))
    return rig.record.funded_model, reply.error and reply.error.code


async def test_an_empty_budget_is_answered_by_the_cheaper_model_and_says_so() -> None:
    rig = rig_of()

    reply = await rig.ask(rig.request({"max_tokens": 10}, stream=False))

    assert rig.record.funded_model == "chat-small"
    assert rig.record.model_requested == "chat"
    assert rig.record.target == "sim/small"
    assert reply.facts is not None
    assert reply.facts.downgraded == "chat-small"


async def test_a_budget_with_room_leads_nowhere_else() -> None:
    assert await ask(rig_of(msgspec.structs.replace(LEADS_ON, nano=USD))) == (None, None)


async def test_what_the_cheaper_model_may_cost_has_its_own_end() -> None:
    rig = rig_of(Budget(nano=1, when_empty=Downgrade(to="chat-small", nano=1)))

    assert await ask(rig) == (None, "budget_unreachable")


async def test_what_was_spent_counts_against_both() -> None:
    rig = rig_of(Budget(nano=USD, when_empty=Downgrade(to="chat-small", nano=USD)))
    january = Spending(
        tenant_id=str(ACME.id), since_us=1_767_225_600_000_000, until_us=1_769_904_000_000_000
    )
    rig.spent = {january: 2 * USD}

    assert await ask(rig) == (None, "budget_exhausted")


async def test_who_calls_a_freezer_is_not_given_another() -> None:
    assert await ask(rig_of(model=FROZEN)) == (None, "budget_unreachable")


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(msgspec.structs.replace(SMALL, name="x"), id="not there"),
        pytest.param(
            msgspec.structs.replace(SMALL, to=Target("gone", "small")),
            id="its provider is gone",
        ),
    ],
)
async def test_a_cheaper_model_that_cannot_serve_leaves_the_refusal_as_it_was(other: Model) -> None:
    rig = rig_of()
    rig.snapshot = replace(rig.snapshot, models={"chat": CHAT, other.name: other})

    assert await ask(rig) == (None, "budget_unreachable")


async def test_a_budget_that_blocks_or_warns_leads_nowhere() -> None:
    blocked = await ask(rig_of(Budget(nano=1, when_empty=WhenEmpty.BLOCK)))
    warned = await ask(rig_of(Budget(nano=1, when_empty=WhenEmpty.WARN)))

    assert (blocked, warned) == ((None, "budget_unreachable"), (None, None))


async def test_the_whole_site_has_a_budget_that_every_tenant_counts_against() -> None:
    rig = Rig(json_answer())
    rig.snapshot = replace(rig.snapshot, site_budget=Budget(nano=1))

    reply = await rig.ask(rig.request({"max_tokens": 10}, stream=False))

    assert reply.error is not None
    assert "budget of the whole site for this month" in str(reply.error)


async def test_what_is_free_needs_no_room() -> None:
    rig = Rig(json_answer())
    rig.snapshot = replace(rig.snapshot, site_budget=Budget(nano=1))

    await rig.ask(rig.request({"input": "x"}, wire=Wire.OPENAI_MODERATIONS, stream=False))

    assert rig.record.attempt_count == 1
