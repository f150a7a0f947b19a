from typing import Any
from urllib.parse import urlencode

import pytest
from tests.sim.conftest import ANTHROPIC_VERSION, Sim
from tests.sim.ledgers import statements

from trimtab.sim.anthropic_statements import report
from trimtab.sim.request import Refused

KEY = "sk-ant-admin-test"
THREE_DAYS = {"starting_at": "2026-11-22T00:00:00Z", "ending_at": "2026-11-25T00:00:00Z"}


def ask(path: str, *rules: str, **query: object) -> dict[str, Any]:
    told, _ = statements(*rules)
    asked = {**THREE_DAYS, **{k.replace("group_by", "group_by[]"): v for k, v in query.items()}}
    return report(told, f"/v1/organizations/{path}", urlencode(asked, doseq=True).encode(), KEY)


def test_usage_is_told_by_day_in_the_shape_of_the_provider() -> None:
    told = ask("usage_report/messages", group_by=["workspace_id", "api_key_id", "model"])

    assert [it["starting_at"] for it in told["data"]] == [
        *("2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"),
    ]
    assert told["data"][0]["ending_at"] == "2026-11-23T00:00:00Z"
    assert told["data"][0]["results"][0] == {
        "uncached_input_tokens": 1_000,
        "cache_creation": {"ephemeral_5m_input_tokens": 7, "ephemeral_1h_input_tokens": 0},
        "cache_read_input_tokens": 400,
        "output_tokens": 200,
        "server_tool_use": {"web_search_requests": 0},
        "api_key_id": "apikey_apps_one",
        "workspace_id": "wrkspc_apps",
        "model": "large-2026-01-15",
        "service_tier": None,
        "context_window": None,
        "inference_geo": None,
        "speed": None,
    }


def test_the_default_workspace_is_null() -> None:
    results = ask("usage_report/messages", group_by=["workspace_id"])["data"][0]["results"]

    assert {it["workspace_id"] for it in results} == {"wrkspc_apps", None}


def test_costs_are_cents_as_text_by_kind_of_token() -> None:
    results = ask("cost_report", group_by=["workspace_id", "description"])["data"][0]["results"]

    told = {it["token_type"]: it for it in results if it["workspace_id"] == "wrkspc_apps"}
    assert {kind: it["amount"] for kind, it in told.items()} == {
        "uncached_input_tokens": "0.3",
        "cache_read_input_tokens": "0.012",
        "cache_creation.ephemeral_5m_input_tokens": "0.002625",
        "output_tokens": "0.3",
    }
    output = told["output_tokens"]
    assert (output["currency"], output["cost_type"], output["model"]) == (
        *("USD", "tokens", "large-2026-01-15"),
    )


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        pytest.param("cost_report", {"bucket_width": "1h"}, 400, id="costs come by the day"),
        pytest.param("cost_report", {"limit": 32}, 400, id="more than 31 days"),
        pytest.param("cost_report", {"group_by": "api_key_id"}, 400, id="costs know no key"),
        pytest.param("usage_report/messages", {"starting_at": "soon"}, 400, id="no instant"),
        pytest.param("usage_report/files", {}, 404, id="not simulated"),
    ],
)
def test_what_cannot_be_answered_is_refused(
    path: str, query: dict[str, object], status: int
) -> None:
    with pytest.raises(Refused) as caught:
        ask(path, **query)

    assert caught.value.status == status


def test_only_an_admin_key_and_a_version_open_the_routes(sim: Sim) -> None:
    path = "/v1/organizations/cost_report?starting_at=2026-11-22T00:00:00Z"

    def status(key: str, version: dict[str, str]) -> int:
        return sim.call("GET", path, headers={"x-api-key": key, **version}).status

    assert status("sk-ant-api", ANTHROPIC_VERSION) == 401
    assert status(KEY, {}) == 400
    assert status(KEY, ANTHROPIC_VERSION) == 200
