from random import Random

import pytest
from tests.evals.gateways import ChatGateway, completion, refused

from trimtab.domain.errors import ProviderTimeout, TryLater
from trimtab.evals.asking import LONGEST_WAIT_S, Asking
from trimtab.evals.calling import CHAT, Reply
from trimtab.evals.judging import Fault, JudgeError

GOOD = completion("{}")


class Waits:
    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


async def sent(gateway: ChatGateway, waits: Waits, *, paced: bool = False) -> Reply:
    asking = Asking(gateway, Random(7), waits, paced)  # noqa: S311
    return await asking.send(CHAT, b"{}", "ev_1/q/judge/0")


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 529])
async def test_what_may_pass_is_sent_again(status: int) -> None:
    gateway, waits = ChatGateway(refused(status), refused(status), refused(status), GOOD), Waits()

    reply = await sent(gateway, waits)

    assert (reply.status, gateway.calls) == (200, 4)
    assert 0.5 <= waits.seconds[0] <= 1.5
    assert 2 <= waits.seconds[2] <= 6


async def test_a_gateway_that_is_away_is_asked_again() -> None:
    gateway = ChatGateway(ProviderTimeout("away"), GOOD)

    assert (await sent(gateway, Waits())).status == 200


async def test_after_three_more_tries_there_is_no_verdict() -> None:
    gateway = ChatGateway(refused(503, "draining"))

    with pytest.raises(JudgeError, match=r"^503 draining: no$") as caught:
        await sent(gateway, Waits())

    assert (caught.value.fault, gateway.calls) == (Fault.UNAVAILABLE, 4)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 422])
async def test_what_will_not_pass_is_not_sent_again(status: int) -> None:
    gateway = ChatGateway(refused(status))

    with pytest.raises(JudgeError) as caught:
        await sent(gateway, Waits())

    assert (caught.value.fault, gateway.calls) == (Fault.UNAVAILABLE, 1)


async def test_a_run_that_was_stopped_asks_nobody_again() -> None:
    gateway = ChatGateway(TryLater("stopped"))

    with pytest.raises(JudgeError, match="stopped"):
        await sent(gateway, Waits())

    assert gateway.calls == 1


async def test_who_asks_for_time_gets_it() -> None:
    waits = Waits()

    await sent(ChatGateway(refused(429, wait_s=17), GOOD), waits)

    assert waits.seconds == [17]


async def test_nobody_waits_for_ever() -> None:
    waits = Waits()

    with pytest.raises(JudgeError):
        await sent(ChatGateway(refused(429, wait_s=LONGEST_WAIT_S + 1), GOOD), waits)

    assert waits.seconds == []


@pytest.mark.parametrize(
    ("said", "calls"),
    [
        (refused(429), 1),
        (refused(503), 1),
        (ProviderTimeout("away"), 1),
        (refused(500), 4),
        (refused(504), 4),
    ],
)
async def test_what_a_paced_gateway_tried_again_itself_is_not_tried_once_more(
    said: Reply | Exception, calls: int
) -> None:
    gateway = ChatGateway(said)

    with pytest.raises(JudgeError):
        await sent(gateway, Waits(), paced=True)

    assert gateway.calls == calls


async def test_a_filter_of_the_provider_is_a_refusal() -> None:
    with pytest.raises(JudgeError) as caught:
        await sent(ChatGateway(refused(400, "content_filter")), Waits())

    assert caught.value.fault is Fault.REFUSED


async def test_an_error_that_is_no_json_is_told_by_its_status() -> None:
    with pytest.raises(JudgeError, match=r"^404 error: the judge does not answer$"):
        await sent(ChatGateway(Reply(status=404, body=b"<html>")), Waits())
