"""Retries and fallback against real processes: what callers see, what providers are sent."""

import json
import time
from uuid import uuid4

import openai
import pytest
from openai import OpenAI
from tests.e2e.conftest import Stack, eventually

pytestmark = pytest.mark.e2e


def asked(stack: Stack, marker: str) -> list[str]:
    """Tell which models the simulator was asked for in the calls that hold a marker."""
    calls = stack.sim("calls")["calls"]
    return [json.loads(it["body"])["model"] for it in calls if marker in it["body"]]


@pytest.fixture
def client(stack: Stack, key: str) -> OpenAI:
    return OpenAI(base_url=f"{stack.url}/v1", api_key=key)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", ["status:503", "reset", "cut_after:0", "error_after_preamble"])
def test_a_failing_target_is_asked_again_and_then_the_next_one_answers(
    stack: Stack, client: OpenAI, fault: str, *, stream: bool
) -> None:
    marker = uuid4().hex
    model = f"stubborn!{fault}"

    if stream:
        told = client.chat.completions.with_raw_response.create(
            model=model, messages=[{"role": "user", "content": marker}], stream=True
        )
        assert list(told.parse())
    else:
        told = client.chat.completions.with_raw_response.create(
            model=model, messages=[{"role": "user", "content": marker}]
        )

    if fault == "reset":
        # What is lost on a connection that was used before is sent anew: it may have been stale.
        assert set(asked(stack, marker)) == {"large!reset", "small"}
    else:
        assert asked(stack, marker) == [f"large!{fault}", f"large!{fault}", "small"]
    request_id = told.headers["x-trimtab-request-id"]
    record, lines = stack.record(request_id), stack.ledger(request_id)
    assert (record["status"], record["attempt_count"], record["fallback_used"]) == ("ok", 3, 1)
    assert record["target"] == "sim/small"
    assert [line["line_id"][-11:] for line in lines] == [f"/{n}/charge/0" for n in (1, 2, 3)]
    assert record["cost_nano"] == sum(line["cost_nano"] for line in lines)
    assert lines[2]["cost_nano"] == stack.billed(record["response_id"])


def test_t29_sdk_retries_do_not_multiply_ours(stack: Stack, client: OpenAI) -> None:
    marker = uuid4().hex
    patient = client.with_options(max_retries=2)

    with pytest.raises(openai.APIStatusError) as failed:
        patient.chat.completions.create(
            model="sim/large!status:503", messages=[{"role": "user", "content": marker}]
        )

    assert failed.value.response.headers["x-should-retry"] == "false"
    assert len(asked(stack, marker)) == 2


def test_a_long_retry_after_leads_to_the_next_target_at_once(stack: Stack, client: OpenAI) -> None:
    marker = uuid4().hex

    told = client.chat.completions.with_raw_response.create(
        model="stubborn!retry_after:7200", messages=[{"role": "user", "content": marker}]
    )

    assert asked(stack, marker) == ["large!retry_after:7200", "small"]
    assert told.headers["x-trimtab-attempts"] == "2"


def test_explain_tells_why_it_went_where_it_went(stack: Stack, client: OpenAI) -> None:
    told = client.chat.completions.with_raw_response.create(
        model="stubborn!status:503", messages=[{"role": "user", "content": "hello"}]
    )
    request_id = told.headers["x-trimtab-request-id"]
    stack.record(request_id)

    steps = {it["stage"]: it["what"] for it in stack.json("explain", request_id)["steps"]}

    assert "stubborn!status:503 -> sim/large!status:503" in steps["planned"]
    assert "(retry after provider_overloaded)" in steps["attempt 2"]
    assert "sim/small answered" in steps["attempt 3"]
    assert "(fallback.when_error[0] chat-small, after provider_over" in steps["attempt 3"]
    assert "usage from the provider" in steps["settled"]


def test_explain_tells_what_refused_a_request(stack: Stack, key: str) -> None:
    _, headers, _ = stack.post("/v1/chat/completions", b'{"model":"forbidden","messages":[1]}', key)
    stack.record(headers["x-trimtab-request-id"])

    steps = stack.json("explain", headers["x-trimtab-request-id"])["steps"]

    assert [it["stage"] for it in steps] == ["refused", "settled"]
    assert "by admit: model_not_allowed, HTTP 403; key test (" in steps[0]["what"]
    assert " may call chat, chat-small, " in steps[0]["what"]


def test_a_model_that_is_moved_leads_elsewhere_a_moment_later(stack: Stack, client: OpenAI) -> None:
    def target() -> str:
        told = client.chat.completions.with_raw_response.create(
            model="movable", messages=[{"role": "user", "content": "hello"}]
        )
        return told.headers["x-trimtab-target"]

    assert target() == "sim/large"
    stack.run("models", "move", "movable", "--to", "sim/small", "--reason", "cheaper")
    eventually(lambda: target() == "sim/small", "the worker follows", deadline_s=2)
    stack.run("models", "undo", "movable", "--reason", "worse")
    eventually(lambda: target() == "sim/large", "the worker follows", deadline_s=2)


def test_a_breaker_that_opened_is_told_by_commands_and_the_api(
    stack: Stack, client: OpenAI
) -> None:
    for _ in range(6):
        with pytest.raises(openai.APIStatusError):
            client.with_options(max_retries=0).chat.completions.create(
                model="refused", messages=[{"role": "user", "content": "hello"}]
            )

    shown = eventually(lambda: stack.json("models", "show", "refused")["ailing"], "it is told")

    assert shown[0]["target"] == "nobody/large"
    assert shown[0]["state"] in ("open", "half_open")
    assert shown[0]["told_us"] <= time.time() * 1e6
    listed = {it["model"]["name"]: it for it in stack.admin("models")["models"]}
    assert [it["target"] for it in listed["refused"]["ailing"]] == ["nobody/large"]
    assert listed["movable"]["ailing"] == []


def test_a_breaker_held_open_by_hand_sends_requests_elsewhere_and_refuses_none(
    stack: Stack, client: OpenAI
) -> None:
    def target(model: str) -> str:
        told = client.chat.completions.with_raw_response.create(
            model=model, messages=[{"role": "user", "content": "hello"}]
        )
        request_ids.append(told.headers["x-trimtab-request-id"])
        return told.headers["x-trimtab-target"]

    request_ids: list[str] = []
    change = stack.json("models", "breaker", "open", "sim/large", "--reason", "slow")["change"]
    eventually(lambda: target("stubborn") == "sim/small", "the worker follows", deadline_s=2)
    planned = request_ids[-1]

    assert target("sim/large") == "sim/large"
    stack.record(planned)
    steps = {it["stage"]: it["what"] for it in stack.json("explain", planned)["steps"]}
    assert f"; sim/large held open (change {change['seq']} by " in steps["planned"]

    stack.run("changes", "undo", str(change["seq"]), "--reason", "it is fast again")
    eventually(lambda: target("stubborn") == "sim/large", "the worker follows", deadline_s=2)


def test_closing_a_breaker_by_hand_has_workers_forget_what_they_hold_against_a_target(
    stack: Stack, client: OpenAI
) -> None:
    def ailing() -> list[str]:
        return [it["state"] for it in stack.json("models", "show", "refused")["ailing"]]

    for _ in range(6):
        with pytest.raises(openai.APIStatusError):
            client.with_options(max_retries=0).chat.completions.create(
                model="refused", messages=[{"role": "user", "content": "hello"}]
            )
    eventually(ailing, "it is told")

    stack.run("models", "breaker", "close", "nobody/large", "--reason", "it is back")

    eventually(lambda: not ailing(), "it is forgotten", deadline_s=4)
