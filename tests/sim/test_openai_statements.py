from typing import Any
from urllib.parse import urlencode

import pytest
from tests.sim.conftest import Sim
from tests.sim.ledgers import MIDNIGHT_S, statements

from trimtab.sim.openai_statements import report
from trimtab.sim.request import Refused
from trimtab.sim.statements import DAY_S

KEY = "sk-admin-test"
THREE_DAYS = {"start_time": MIDNIGHT_S, "end_time": MIDNIGHT_S + 3 * DAY_S}


def ask(path: str, *rules: str, **query: object) -> dict[str, Any]:
    told, _ = statements(*rules)
    asked = urlencode({**THREE_DAYS, **query}, doseq=True).encode()
    return report(told, f"/v1/organization/{path}", asked, KEY)


def test_usage_is_told_by_day_in_the_shape_of_the_provider() -> None:
    told = ask("usage/completions", group_by=["project_id", "api_key_id", "model"])

    assert (told["object"], told["has_more"], told["next_page"]) == ("page", False, None)
    assert [it["start_time"] for it in told["data"]] == [MIDNIGHT_S + n * DAY_S for n in range(3)]
    first, second = told["data"][1]["results"]
    assert first == {
        "object": "organization.usage.completions.result",
        "input_tokens": 1_407,
        "output_tokens": 201,
        "input_cached_tokens": 400,
        "input_uncached_tokens": 1_000,
        "input_cache_write_tokens": 7,
        "input_cache_write_30m_tokens": 7,
        "input_cache_write_12h_tokens": 0,
        "input_audio_tokens": 0,
        "output_audio_tokens": 0,
        "num_model_requests": 1,
        "project_id": "proj_apps",
        "user_id": None,
        "api_key_id": "key_apps_one",
        "model": "large-2026-01-15",
        "batch": None,
        "service_tier": None,
    }
    assert (second["project_id"], second["api_key_id"]) == ("proj_sim", "key_two")


def test_a_dimension_that_is_not_grouped_by_is_null() -> None:
    (result,) = ask("usage/completions")["data"][0]["results"]

    assert [result[it] for it in ("project_id", "api_key_id", "model")] == [None] * 3
    assert result["num_model_requests"] == 2


def test_embeddings_have_a_route_of_their_own() -> None:
    (result,) = ask("usage/embeddings", group_by="model")["data"][0]["results"]

    assert (result["input_tokens"], result["model"]) == (50, "embed-x")
    assert "output_tokens" not in result


def test_costs_are_dollars_as_floats_by_line_item() -> None:
    told = ask("costs", group_by=["line_item", "project_id"], limit=180)

    by_item = {
        it["line_item"]: it["amount"]
        for it in told["data"][0]["results"]
        if it["project_id"] == "proj_apps"
    }
    assert by_item == {
        "large-2026-01-15, input": {"value": 0.003, "currency": "usd"},
        "large-2026-01-15, cached input": {"value": 0.00012, "currency": "usd"},
        "large-2026-01-15, cache write 30m": {"value": 0.00002625, "currency": "usd"},
        "large-2026-01-15, output": {"value": 0.003, "currency": "usd"},
    }


def test_pages_follow_one_another_without_gap_or_overlap() -> None:
    told, _ = statements()
    starts: list[int] = []
    page: str | None = None
    for _ in range(3):
        query = {**THREE_DAYS, "bucket_width": "1h", **({"page": page} if page else {})}
        answer = report(told, "/v1/organization/usage/completions", urlencode(query).encode(), KEY)
        starts += [it["start_time"] for it in answer["data"]]
        page = answer["next_page"]

    assert page is None
    assert starts == list(range(MIDNIGHT_S, MIDNIGHT_S + 3 * DAY_S, 3_600))


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        pytest.param("usage/completions", {"bucket_width": "1w"}, 400, id="no such width"),
        pytest.param("costs", {"bucket_width": "1h"}, 400, id="costs come by the day"),
        pytest.param("usage/completions", {"limit": 32}, 400, id="more than 31 days"),
        pytest.param("costs", {"limit": 181}, 400, id="more than 180 days"),
        pytest.param("costs", {"group_by": "model"}, 400, id="costs know no model"),
        pytest.param("costs", {"page": "page_%%"}, 400, id="no page"),
        pytest.param("costs", {"start_time": "soon"}, 400, id="no instant"),
        pytest.param("usage/images", {}, 404, id="not simulated"),
    ],
)
def test_what_cannot_be_answered_is_refused(
    path: str, query: dict[str, object], status: int
) -> None:
    with pytest.raises(Refused) as caught:
        ask(path, **query)

    assert caught.value.status == status


def test_only_an_admin_key_opens_the_routes(sim: Sim) -> None:
    path = f"/v1/organization/costs?start_time={MIDNIGHT_S}"

    refused = sim.call("GET", path, headers={"x-api-key": "", "authorization": "Bearer sk-plain"})
    opened = sim.call("GET", path, headers={"x-api-key": "", "authorization": f"Bearer {KEY}"})

    assert (refused.status, opened.status) == (401, 200)
    assert refused.json()["error"]["code"] == "invalid_api_key"
