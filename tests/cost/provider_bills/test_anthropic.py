"""Shapes as platform.claude.com's Admin API has them."""

import pytest
from tests.cost.provider_bills.answers import DAY, Told, answer

from trimtab.cost.provider_bills import anthropic
from trimtab.cost.provider_bills.pages import FetchIncomplete
from trimtab.cost.reconcile.statement import Charged, TokenClass
from trimtab.testing import ScriptedAnswer

USAGE = {
    "uncached_input_tokens": 1_500,
    "cache_creation": {"ephemeral_1h_input_tokens": 1_000, "ephemeral_5m_input_tokens": 500},
    "cache_read_input_tokens": 200,
    "output_tokens": 500,
    "server_tool_use": {"web_search_requests": 10},
    "api_key_id": "apikey_01Rj",
    "workspace_id": "wrkspc_01Jw",
    "model": "claude-sonnet-4-5-20250929",
    "service_tier": None,
    "context_window": None,
    "inference_geo": None,
    "speed": None,
}
COST = {
    "currency": "USD",
    "amount": "123.78912",
    "workspace_id": "wrkspc_01Jw",
    "description": "Claude Sonnet 4.5 Usage - Input Tokens",
    "cost_type": "tokens",
    "context_window": "0-200k",
    "model": "claude-sonnet-4-5-20250929",
    "service_tier": "standard",
    "token_type": "uncached_input_tokens",
}


def page(*results: object) -> ScriptedAnswer:
    bucket = {
        "starting_at": "2026-11-22T00:00:00Z",
        "ending_at": "2026-11-23T00:00:00Z",
        "results": results,
    }
    return answer({"data": [bucket], "has_more": False, "next_page": None})


def told(usage: object = USAGE, cost: object = COST) -> Told:
    return Told("https://api.anthropic.com", page(usage), page(cost))


async def test_it_asks_for_whole_days_by_workspace_key_and_model() -> None:
    asked = told()

    await anthropic.read(asked.fetch, DAY)

    (usage, query), (costs, of_costs) = asked.asked
    assert usage == "/v1/organizations/usage_report/messages"
    assert costs == "/v1/organizations/cost_report"
    assert query == {
        "starting_at": ["2026-11-22T00:00:00Z"],
        "ending_at": ["2026-11-23T00:00:00Z"],
        "bucket_width": ["1d"],
        "group_by[]": ["workspace_id", "api_key_id", "model"],
        "limit": ["31"],
    }
    assert of_costs["group_by[]"] == ["workspace_id", "description"]
    assert dict(anthropic.headers("sk-ant-admin")) == {
        "x-api-key": "sk-ant-admin",
        "anthropic-version": "2023-06-01",
    }


async def test_each_kind_of_token_is_told_by_itself() -> None:
    statement = await anthropic.read(told().fetch, DAY)

    assert {it.token_class: it.tokens for it in statement.used} == {
        TokenClass.INPUT: 1_500,
        TokenClass.CACHED: 200,
        TokenClass.WRITE_5M: 500,
        TokenClass.WRITE_1H: 1_000,
        TokenClass.OUTPUT: 500,
    }
    assert {(it.account, it.key_id) for it in statement.used} == {("wrkspc_01Jw", "apikey_01Rj")}


async def test_an_amount_is_text_in_cents() -> None:
    statement = await anthropic.read(told().fetch, DAY)

    assert statement.charged == (
        Charged(
            day="2026-11-22",
            account="wrkspc_01Jw",
            key_id=None,
            model="claude-sonnet-4-5-20250929",
            token_class=TokenClass.INPUT,
            nano=1_237_891_200,
        ),
    )
    assert statement.oddities == ()


async def test_the_default_workspace_is_null() -> None:
    nowhere = {"workspace_id": None}

    statement = await anthropic.read(told({**USAGE, **nowhere}, {**COST, **nowhere}).fetch, DAY)

    assert {it.account for it in (*statement.used, *statement.charged)} == {"default"}


async def test_what_is_for_no_tokens_is_money_alone() -> None:
    cost = {**COST, "cost_type": "code_execution", "model": None, "token_type": None}

    statement = await anthropic.read(told(cost=cost).fetch, DAY)

    assert (statement.charged[0].model, statement.charged[0].token_class) == (
        *("", TokenClass.OTHER),
    )


async def test_a_number_for_text_and_another_currency_are_odd() -> None:
    statement = await anthropic.read(
        told(cost={**COST, "amount": 1.2378912, "currency": "EUR"}).fetch, DAY
    )

    assert [it.split(",")[0] for it in statement.oddities] == [
        *("amounts are in 'EUR'", "amounts came as numbers"),
    ]


async def test_an_amount_that_is_none_is_not_compared() -> None:
    with pytest.raises(FetchIncomplete, match="no amount"):
        await anthropic.read(told(cost={**COST, "amount": None}).fetch, DAY)
