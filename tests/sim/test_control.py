from tests.sim.conftest import Sim

BODY = {"model": "large", "messages": [{"role": "user", "content": "Hi"}]}


def _statuses(sim: Sim, count: int = 1) -> list[int]:
    return [sim.post("/v1/chat/completions", BODY).status for _ in range(count)]


def test_rules_are_set_told_and_obeyed(sim: Sim) -> None:
    told = sim.rules("status:500 rate=0.5", "bad_line model=small").json()

    assert told["faults"] == ["status:500 rate=0.5", "bad_line model=small"]
    assert sim.told("faults") == told
    assert set(_statuses(sim, 40)) == {200, 500}


def test_rules_that_cannot_be_read_change_nothing(sim: Sim) -> None:
    sim.rules("status:500")

    refused = sim.rules("explode")
    wrong = sim.call("PUT", "/_sim/faults", {"fault": []})

    assert (refused.status, wrong.status) == (400, 400)
    assert "there is no fault 'explode'" in refused.json()["error"]
    assert _statuses(sim) == [500]


def test_every_call_is_remembered_without_its_credentials(sim: Sim) -> None:
    sim.post("/v1/chat/completions", BODY, authorization="Bearer other", x_one="1")
    sim.post("/v1/chat/completions", {"model": "nothing"})

    told = sim.told("calls")

    first, second = told["calls"]
    assert told["count"] == 2
    assert (first["method"], first["path"]) == ("POST", "/v1/chat/completions")
    assert (first["account"], first["headers"]["x-one"]) == ("raw", "1")
    assert not {"authorization", "x-api-key"} & set(first["headers"])
    assert '"Hi"' in first["body"]
    assert second["time_us"] >= first["time_us"] > 1_700_000_000_000_000


def test_prices_are_told_as_the_settings_take_them(sim: Sim) -> None:
    prices = sim.told("prices")

    assert prices["sim/large"] == {
        "input": "3",
        "cache_read": "0.30",
        "cache_write_5m": "3.75",
        "cache_write_1h": "6",
        "output": "15",
    }
    assert set(prices) == {
        *("sim/small", "sim/large", "sim/reasoner", "sim/embed", "sim/moderation"),
    }


def test_a_reset_forgets_everything(sim: Sim) -> None:
    long = {"model": "large", "messages": [{"role": "user", "content": "word " * 2_000}]}
    sim.post("/v1/chat/completions", long)
    sim.rules("status:500")

    sim.call("POST", "/_sim/reset")

    assert sim.billed() == []
    assert sim.told("calls") == {"count": 0, "calls": []}
    again = sim.post("/v1/chat/completions", long).json()["usage"]
    assert again["prompt_tokens_details"]["cached_tokens"] == 0


def test_what_is_not_there_is_said_so(sim: Sim) -> None:
    assert sim.call("GET", "/_sim/nothing").status == 404
    assert sim.call("POST", "/_sim/bill").status == 404
