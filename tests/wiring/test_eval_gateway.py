import json
from pathlib import Path

import pytest

from trimtab.domain.errors import ProviderError, SettingsInvalid
from trimtab.domain.transport import ConnectFailed
from trimtab.testing import ScriptedAnswer, ScriptedProvider
from trimtab.wiring.eval_gateway import KEY_VARIABLE, HttpGateway, check_url, opened

PLACE = "ev_1/q/candidate/0"


def answer(body: object, *headers: tuple[bytes, bytes], status: int = 200) -> ScriptedAnswer:
    data = json.dumps(body).encode()
    return ScriptedAnswer([data], status=status, content_type=b"application/json", headers=headers)


def gateway(*answers: ScriptedAnswer | Exception) -> tuple[HttpGateway, ScriptedProvider]:
    provider = ScriptedProvider(*answers)
    return HttpGateway(provider, "http://gateway:8080/v1/", "tt_key"), provider


async def test_a_call_carries_key_place_and_an_idempotency_key_of_place_and_body() -> None:
    it, provider = gateway(answer({}), answer({}), answer({}))

    for place, body in ((PLACE, b"{}"), (PLACE, b"{ }"), (PLACE, b"{}")):
        await it.call("/v1/chat/completions", body, place=place)

    heads = [head.decode().split("\r\n") for _, head, _ in provider.sent]
    assert heads[0][0] == "POST /v1/chat/completions HTTP/1.1"
    assert {
        "host: gateway:8080",
        "authorization: Bearer tt_key",
        f"x-trimtab-eval: {PLACE}",
    } <= set(heads[0])
    keys = [next(line for line in head if line.startswith("idempotency-key")) for head in heads]
    assert keys[0] == keys[2] != keys[1]
    assert keys[0].startswith(f"idempotency-key: {PLACE}/")
    assert provider.sent[0][0].allow_private


async def test_what_was_carried_out_and_not_kept_is_asked_anew() -> None:
    done = answer({"error": {"code": "idempotency_done"}}, status=409)
    running = answer({"error": {"code": "idempotency_in_flight"}}, status=409)
    it, provider = gateway(done, answer({"model": "m"}), running)

    first = await it.call("/v1/x", b"{}", place=PLACE)
    second = await it.call("/v1/x", b"{}", place=PLACE)

    assert (first.status, second.status, len(provider.sent)) == (200, 409, 3)
    assert b"/again\r\n" in provider.sent[1][1]


async def test_an_answer_tells_cost_model_request_and_wait() -> None:
    it, _ = gateway(
        answer(
            {"model": "large-2026-01-15"},
            (b"x-trimtab-cost-usd", b"0.0000125"),
            (b"x-trimtab-target", b"openai/large"),
            (b"x-trimtab-request-id", b"r_1"),
        ),
        answer({}, (b"retry-after", b"3"), (b"retry-after-ms", b"2500"), status=429),
        answer({}, (b"retry-after", b"Wed, 21 Oct 2015 07:28:00 GMT"), status=429),
    )

    told, limited, dated = [await it.call("/v1/x", b"{}", place=PLACE) for _ in range(3)]

    assert (told.cost_nano, told.model, told.request_id) == (
        12_500,
        "openai/large-2026-01-15",
        "r_1",
    )
    assert (limited.retry_after_s, limited.model, dated.retry_after_s) == (2.5, None, None)


async def test_an_answer_given_again_tells_no_cost_and_the_model_alone() -> None:
    it, _ = gateway(
        answer({"model": "m-1"}, (b"x-trimtab-replayed", b"true"), (b"x-trimtab-cost-usd", b"0"))
    )

    told = await it.call("/v1/x", b"{}", place=PLACE)

    assert (told.cost_nano, told.model) == (None, "m-1")


async def test_the_provider_is_not_named_twice() -> None:
    it, _ = gateway(answer({"model": "sim/large-1"}, (b"x-trimtab-target", b"sim/large")))

    assert (await it.call("/v1/x", b"{}", place=PLACE)).model == "sim/large-1"


async def test_a_gateway_that_cannot_be_reached_has_failed() -> None:
    it, _ = gateway(ConnectFailed("no connection"))

    with pytest.raises(ProviderError, match="'gateway:8080' cannot be called"):
        await it.call("/v1/x", b"{}", place=PLACE)


@pytest.mark.parametrize(
    "url", ["ftp://x", "gateway", "http://", "file:///etc/passwd", "http://a/b c"]
)
def test_what_is_no_address_is_told_before_anything_is_asked(url: str) -> None:
    with pytest.raises(SettingsInvalid, match="write http://host:port"):
        check_url(url)


async def test_a_named_gateway_needs_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)

    with pytest.raises(SettingsInvalid, match=f"{KEY_VARIABLE} is not set"):
        async with opened(tmp_path, None, "ev_1", "ana", url="http://gateway"):
            pass
    monkeypatch.setenv(KEY_VARIABLE, "tt_key")
    async with opened(tmp_path, None, "ev_1", "ana", url="http://gateway") as (at, _):
        assert (at.url, at.key, at.is_ours) == ("http://gateway", "tt_key", False)
