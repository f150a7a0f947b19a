"""Shapes as openai/openai-openapi has them."""

import pytest
from tests.cost.provider_bills.answers import DAY, MIDNIGHT_S, Told, answer

from trimtab.cost.provider_bills import openai
from trimtab.cost.provider_bills.pages import DAY_S, FetchIncomplete
from trimtab.cost.reconcile.statement import Charged, TokenClass, Used
from trimtab.testing import ScriptedAnswer

USAGE = {
    "object": "organization.usage.completions.result",
    "input_tokens": 1_000,
    "output_tokens": 500,
    "input_cached_tokens": 800,
    "input_audio_tokens": 0,
    "output_audio_tokens": 0,
    "num_model_requests": 5,
    "project_id": "proj_abc",
    "user_id": None,
    "api_key_id": "key_abc",
    "model": "gpt-5-2025-08-07",
    "batch": None,
    "service_tier": None,
}
COST = {
    "object": "organization.costs.result",
    "amount": {"value": 0.013080000000000001, "currency": "usd"},
    "line_item": "gpt-5-2025-08-07, cached input",
    "project_id": "proj_abc",
    "api_key_id": "key_abc",
    "quantity": 800,
    "quantity_unit": "tokens",
}


def page(*results: object) -> ScriptedAnswer:
    bucket = {
        "object": "bucket",
        "start_time": MIDNIGHT_S,
        "end_time": MIDNIGHT_S + DAY_S,
        "results": results,
    }
    return answer({"object": "page", "data": [bucket], "has_more": False, "next_page": None})


def told(usage: object = USAGE, cost: object = COST, embeddings: object = None) -> Told:
    of_embeddings = page(embeddings) if embeddings else page()
    return Told("https://api.openai.com/v1", page(usage), of_embeddings, page(cost))


def used(kind: TokenClass, tokens: int) -> Used:
    return Used(
        day="2026-11-22",
        account="proj_abc",
        key_id="key_abc",
        model="gpt-5-2025-08-07",
        token_class=kind,
        tokens=tokens,
    )


async def test_it_asks_for_whole_days_by_project_key_and_model() -> None:
    asked = told()

    await openai.read(asked.fetch, DAY)

    (usage, query), (embeddings, _), (costs, of_costs) = asked.asked
    assert usage == "/v1/organization/usage/completions"
    assert embeddings == "/v1/organization/usage/embeddings"
    assert costs == "/v1/organization/costs"
    assert query == {
        "start_time": [str(MIDNIGHT_S)],
        "end_time": [str(MIDNIGHT_S + DAY_S)],
        "bucket_width": ["1d"],
        "group_by": ["project_id", "api_key_id", "model"],
        "limit": ["31"],
    }
    assert (of_costs["group_by"], of_costs["limit"]) == (
        *(["project_id", "line_item", "api_key_id"], ["180"]),
    )
    assert openai.headers("sk-admin") == (("authorization", "Bearer sk-admin"),)


async def test_input_includes_what_was_cached() -> None:
    statement = await openai.read(told().fetch, DAY)

    assert statement.used == (
        used(TokenClass.INPUT, 200),
        used(TokenClass.CACHED, 800),
        used(TokenClass.OUTPUT, 500),
    )
    assert statement.oddities == ()


@pytest.mark.parametrize(
    ("writes", "expected"),
    [
        ({"input_cache_write_tokens": 50}, {TokenClass.WRITE_30M: 50}),
        (
            {
                "input_cache_write_tokens": 50,
                "input_cache_write_30m_tokens": 20,
                "input_cache_write_12h_tokens": 30,
            },
            {TokenClass.WRITE_30M: 20, TokenClass.WRITE_12H: 30},
        ),
    ],
)
async def test_input_includes_what_was_written_into_a_cache(
    writes: dict[str, int], expected: dict[TokenClass, int]
) -> None:
    statement = await openai.read(told({**USAGE, **writes}).fetch, DAY)

    found = {it.token_class: it.tokens for it in statement.used}
    assert found.pop(TokenClass.INPUT) == 150
    assert {kind: found[kind] for kind in expected} == expected


async def test_embeddings_are_used_too() -> None:
    embedding = {"input_tokens": 16, "num_model_requests": 2, "model": "text-embedding-3-small"}

    statement = await openai.read(told(embeddings=embedding).fetch, DAY)

    (found,) = [it for it in statement.used if it.model == "text-embedding-3-small"]
    assert (found.tokens, found.account, found.key_id) == (16, "default", None)


async def test_a_cost_is_of_the_model_and_kind_of_its_line_item() -> None:
    statement = await openai.read(told().fetch, DAY)

    assert statement.charged == (
        Charged(
            day="2026-11-22",
            account="proj_abc",
            key_id="key_abc",
            model="gpt-5-2025-08-07",
            token_class=TokenClass.CACHED,
            nano=13_080_000,
        ),
    )


@pytest.mark.parametrize(
    ("item", "model", "kind"),
    [
        ("gpt-5, input", "gpt-5", TokenClass.INPUT),
        ("gpt-5, output", "gpt-5", TokenClass.OUTPUT),
        ("gpt-5, web search", "gpt-5", TokenClass.OTHER),
        ("Web search", "", TokenClass.OTHER),
        (None, "", TokenClass.OTHER),
    ],
)
async def test_other_line_items_are_money_without_tokens(
    item: str | None, model: str, kind: TokenClass
) -> None:
    statement = await openai.read(told(cost={**COST, "line_item": item}).fetch, DAY)

    assert (statement.charged[0].model, statement.charged[0].token_class) == (model, kind)


async def test_text_for_a_number_and_another_currency_are_odd() -> None:
    amount = {"value": "0.06", "currency": "eur"}

    statement = await openai.read(told(cost={**COST, "amount": amount}).fetch, DAY)

    assert statement.charged[0].nano == 60_000_000
    assert [it.split(",")[0] for it in statement.oddities] == [
        *("amounts are in 'eur'", "amounts came as text"),
    ]


async def test_an_amount_that_is_none_is_not_compared() -> None:
    amount = {"value": "a lot", "currency": "usd"}

    with pytest.raises(FetchIncomplete, match="no amount"):
        await openai.read(told(cost={**COST, "amount": amount}).fetch, DAY)
