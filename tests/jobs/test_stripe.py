from urllib.parse import parse_qs

import pytest

from trimtab.domain.billing import MeterEvent
from trimtab.domain.transport import ConnectFailed, ConnectionLost
from trimtab.jobs.posting import place_of
from trimtab.jobs.stripe import PATH, URL, Outcome, Stripe, Told, headers
from trimtab.testing import ScriptedAnswer, ScriptedProvider

EVENT = MeterEvent(
    id="acme:2026-11:7",
    tenant_id="acme",
    month="2026-11",
    customer="cus_1",
    cents=25,
    made_us=7,
    due_us=7,
)


async def tell(answer: ScriptedAnswer | Exception) -> tuple[Told, ScriptedProvider]:
    transport = ScriptedProvider(answer)
    place = place_of(URL + PATH, allow_private=False, proxy=None, whose="stripe")
    desk = Stripe(place, headers("sk_test_1"), "trimtab_cents", transport)
    return await desk.tell(EVENT, 1_800_000_000), transport


def refusal(status: int, message: str, *more: tuple[bytes, bytes]) -> ScriptedAnswer:
    body = b'{"error": {"type": "invalid_request_error", "message": "%b"}}' % message.encode()
    return ScriptedAnswer([body], status=status, headers=more)


async def test_an_event_is_a_form_with_an_identifier_and_whole_cents() -> None:
    told, transport = await tell(ScriptedAnswer([b"{}"]))

    ((_, head, body),) = transport.sent
    assert told.outcome is Outcome.TAKEN
    assert parse_qs(body.decode()) == {
        "event_name": ["trimtab_cents"],
        "identifier": ["acme:2026-11:7"],
        "timestamp": ["1800000000"],
        "payload[stripe_customer_id]": ["cus_1"],
        "payload[value]": ["25"],
    }
    assert head.startswith(b"POST /v1/billing/meter_events HTTP/1.1\r\nhost: api.stripe.com\r\n")
    assert b"authorization: Bearer sk_test_1\r\n" in head
    assert b"content-type: application/x-www-form-urlencoded\r\n" in head


async def test_no_idempotency_key_is_sent_for_stripe_would_repeat_a_500() -> None:
    _, transport = await tell(ScriptedAnswer([b"{}"]))

    assert b"idempotency-key" not in transport.sent[0][1].lower()


async def test_what_is_there_already_has_arrived() -> None:
    told, _ = await tell(refusal(400, "An event already exists with identifier acme:2026-11:7."))

    assert told.outcome is Outcome.TAKEN


async def test_what_is_there_of_another_event_says_nothing_of_this_one() -> None:
    told, _ = await tell(refusal(400, "An event already exists with identifier acme:2026-11:1."))

    assert told.outcome is Outcome.REFUSED


@pytest.mark.parametrize(
    ("answer", "outcome", "said", "may_have_arrived"),
    [
        pytest.param(
            refusal(400, "No such customer: 'cus_1'"),
            Outcome.REFUSED,
            "answer 400: No such customer: 'cus_1'",
            False,
            id="400 is for ever, with its reason",
        ),
        pytest.param(refusal(404, "x"), Outcome.REFUSED, "answer 404: x", False, id="404"),
        pytest.param(refusal(401, "x"), Outcome.LATER, "answer 401: x", False, id="401"),
        pytest.param(refusal(429, "x"), Outcome.LATER, "answer 429: x", False, id="429"),
        pytest.param(refusal(500, "x"), Outcome.LATER, "answer 500: x", True, id="500"),
        pytest.param(
            ScriptedAnswer([b"<html>"], status=503),
            Outcome.LATER,
            "answer 503: <html>",
            True,
            id="a gateway",
        ),
        pytest.param(
            ConnectionLost("cut", before_headers=True),
            Outcome.LATER,
            "ConnectionLost: cut",
            True,
            id="lost",
        ),
        pytest.param(
            ConnectFailed("no"), Outcome.LATER, "ConnectFailed: no", False, id="never sent"
        ),
    ],
)
async def test_answers_mean_what_stripe_says(
    answer: ScriptedAnswer | Exception,
    outcome: Outcome,
    said: str,
    may_have_arrived: bool,  # noqa: FBT001
) -> None:
    told, _ = await tell(answer)

    assert (told.outcome, told.said) == (outcome, said)
    assert told.may_have_arrived == may_have_arrived


async def test_it_is_left_alone_as_long_as_it_asks() -> None:
    told, _ = await tell(refusal(429, "slow", (b"retry-after", b"7")))

    assert told.wait_s == 7
