import pytest
from anthropic import Anthropic
from openai import OpenAI
from tests.sim.conftest import ANTHROPIC_VERSION, Sim

from trimtab.sim.app import create
from trimtab.sim.faults import BadFault

HI = [{"role": "user", "content": "Hi"}]


def test_models_are_listed_in_the_shape_of_either_wire(
    openai: OpenAI, anthropic: Anthropic
) -> None:
    ours = [model.id for model in openai.models.list()]
    theirs = [model.id for model in anthropic.models.list()]

    assert ours == ["sim/small", "sim/large", "sim/reasoner", "sim/embed", "sim/moderation"]
    assert theirs == ["sim/small", "sim/large", "sim/reasoner"]


def test_one_model_is_described_in_the_shape_of_either_wire(sim: Sim) -> None:
    ours = sim.call("GET", "/v1/models/sim/large-2025-12-01").json()
    theirs = sim.call("GET", "/v1/models/large", headers=ANTHROPIC_VERSION).json()
    missing = sim.call("GET", "/v1/models/sim/embed", headers=ANTHROPIC_VERSION)

    assert (ours["id"], ours["object"]) == ("sim/large-2025-12-01", "model")
    assert (theirs["id"], theirs["type"]) == ("large", "model")
    assert (missing.status, missing.json()["error"]["type"]) == (404, "not_found_error")


def test_other_routes_do_not_exist_on_either_wire(sim: Sim) -> None:
    ours = sim.post("/v1/files", {})
    theirs = sim.call("POST", "/v1/files", {}, ANTHROPIC_VERSION)

    assert (ours.status, theirs.status) == (404, 404)
    assert ours.json()["error"]["type"] == "invalid_request_error"
    assert theirs.json()["type"] == "error"


def test_messages_need_a_version(sim: Sim) -> None:
    answer = sim.post("/v1/messages", {"model": "large", "max_tokens": 9, "messages": HI})

    assert answer.status == 400
    assert "anthropic-version" in answer.json()["error"]["message"]


def test_the_account_is_the_key_whichever_header_tells_it(sim: Sim) -> None:
    body = {"model": "large", "messages": HI}
    for headers in ({"x-api-key": "", "authorization": "Bearer b"}, {"x-api-key": "a"}):
        sim.call("POST", "/v1/chat/completions", body, headers)
    sim.call("POST", "/v1/chat/completions", body, {"x-api-key": ""})

    assert [line["account"] for line in sim.billed()] == ["b", "a", "anonymous"]


def test_a_fault_may_be_asked_for_in_a_header(sim: Sim) -> None:
    body = {"model": "large!retry_after:soon", "messages": HI}

    answer = sim.post("/v1/chat/completions", body, x_sim_fault="status:503")

    assert answer.status == 503
    assert answer.headers["retry-after"] == "soon"


def test_ids_are_never_told_twice(sim: Sim) -> None:
    body = {"model": "large", "messages": HI}

    ids = {sim.post("/v1/chat/completions", body).json()["id"] for _ in range(20)}

    assert len(ids) == 20


def test_a_simulator_is_not_made_of_rules_it_cannot_read() -> None:
    with pytest.raises(BadFault):
        create(faults=["explode"])
