"""What really arrives at a receiver, over a real connection."""

import asyncio
import json
import threading
from base64 import b64encode
from collections.abc import Generator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace
from standardwebhooks import Webhook
from tests.jobs.conftest import alert

from trimtab.domain.alert import Rule
from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.transport import ConnectionLost, Origin, Response
from trimtab.jobs.channels import Posted, Write, pagerduty, slack, webhook
from trimtab.jobs.message import Kind, Message, trial_message
from trimtab.jobs.posting import Answer, place_of
from trimtab.providers.http1 import Http1Transport
from trimtab.testing import ScriptedAnswer, ScriptedProvider
from trimtab.wiring import SystemClock

KEY = bytes(range(32))
SECRET = "whsec_" + b64encode(KEY).decode()
URL = "https://hooks.example.com/x"
NOW_US = 1_777_142_531_000_000
FIRING = Message("al_1-1", Kind.FIRING, (alert(),), "prod", "https://tt.example.com")
OVER = replace(alert(), resolved_us=60_000_000)


class Arrived(NamedTuple):
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


class Receiver:
    """Answers every post as told. State: what arrived."""

    def __init__(self) -> None:
        self.arrived: list[Arrived] = []
        self.status, self.said = 200, b"ok"
        self.headers: dict[str, str] = {}
        receiver = self

        class Taking(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.arrived.append(Arrived(self.path, headers, body))
                self.send_response(receiver.status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(receiver.said)))
                self.end_headers()
                self.wfile.write(receiver.said)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/hook?token=t-1"


@pytest.fixture
def receiver() -> Generator[Receiver]:
    made = Receiver()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


async def tell(
    url: str, write: Write, message: Message = FIRING, now_us: int = NOW_US, timeout_s: float = 5
) -> Answer:
    transport = Http1Transport(max_body=1000)
    place = place_of(url, allow_private=True, proxy=None, whose="route 'ops'")
    try:
        return await Posted(place, write, transport, timeout_s).tell(message, now_us)
    finally:
        transport.close()


async def test_a_webhook_is_signed_so_that_the_reference_verifies_it(receiver: Receiver) -> None:
    now_us = SystemClock().now_us()  # the reference refuses what is older than five minutes

    answer = await tell(receiver.url, webhook(KEY), now_us=now_us)

    assert (answer.taken, answer.said, answer.body) == (True, "answer 200: ok", b"ok")
    [it] = receiver.arrived
    event = Webhook(SECRET).verify(it.body, dict(it.headers))
    assert (it.path, it.headers["webhook-id"]) == ("/hook?token=t-1", "al_1-1")
    assert (event["type"], event["data"]["site"]) == ("alert.firing", "prod")
    [told] = event["data"]["alerts"]
    assert told["id"] == alert().id
    assert told["actual_usd"] == "12.5"
    assert told["links"] == [
        "https://tt.example.com/console/requests/r_1",
        "https://tt.example.com/console/requests/r_2",
    ]


async def test_slack_gets_a_text_in_which_nothing_is_a_command(receiver: Receiver) -> None:
    found = replace(alert().finding, subject="conversation '<!channel>' & more")
    message = Message("al_1-1", Kind.FIRING, (replace(alert(), finding=found),), "prod")

    await tell(receiver.url, slack, message)

    text: str = receiver.arrived[0].json["text"]
    assert text.startswith("*[prod] acme: money is being spent far faster than usual*\n")
    assert "conversation '&lt;!channel&gt;' &amp; more" in text
    assert "12.50 USD in an hour or two, 6.2 times the usual 2.00" in text
    assert "83 % of the excess: feature search, model chat" in text
    assert "trimtab trace r_1" in text
    assert f"trimtab tenants throttle acme 10/min --reason '{alert().id}'" in text


async def test_pagerduty_makes_one_incident_of_an_alert_and_closes_it(receiver: Receiver) -> None:
    write = pagerduty("integration-key")
    resolved = Message("al_1-2", Kind.RESOLVED, (OVER,), "prod")

    for message in (FIRING, resolved):
        await tell(receiver.url, write, message)

    opened, closed = (it.json for it in receiver.arrived)
    assert opened["routing_key"] == "integration-key"
    assert (opened["event_action"], opened["dedup_key"]) == ("trigger", alert().id)
    assert opened["payload"]["severity"] == "critical"
    assert opened["payload"]["source"] == "prod"
    assert opened["payload"]["custom_details"]["tenant"] == "acme"
    assert closed == {
        "routing_key": "integration-key",
        "event_action": "resolve",
        "dedup_key": alert().id,
    }


@pytest.mark.parametrize(
    ("rule", "urgency"), [(Rule.BUDGET_FORECAST, "warning"), (Rule.SPEND_3X_28D, "info")]
)
async def test_pagerduty_is_told_how_urgent_it_is(
    receiver: Receiver, rule: Rule, urgency: str
) -> None:
    message = Message("al_1-1", Kind.FIRING, (alert(rule),), "prod")

    await tell(receiver.url, pagerduty("k"), message)

    assert receiver.arrived[0].json["payload"]["severity"] == urgency


@pytest.mark.parametrize(
    "write", [webhook(KEY), slack, pagerduty("k")], ids=["webhook", "slack", "pagerduty"]
)
async def test_a_test_says_so_whoever_is_told(receiver: Receiver, write: Write) -> None:
    answer = await tell(receiver.url, write, trial_message("prod", "ops", NOW_US))

    assert answer.taken
    assert b"test" in receiver.arrived[0].body


async def test_what_is_refused_says_what_was_answered_in_one_line(receiver: Receiver) -> None:
    receiver.status, receiver.said = 404, b"no_team\n\x1b[31m" + b"x" * 300
    receiver.headers = {"retry-after": "30"}

    answer = await tell(receiver.url, slack)

    assert not answer.taken
    assert answer.said.startswith("answer 404: no_team [31mxxx")
    assert len(answer.said) < 220
    assert answer.wait_s == 30


async def test_what_is_answered_does_not_repeat_a_secret_path(receiver: Receiver) -> None:
    receiver.status = 404
    receiver.said = b"Cannot POST /hook?token=t-1: no /hook, nothing for token=t-1"

    answer = await tell(receiver.url, slack)

    assert receiver.arrived[0].path == "/hook?token=t-1"
    assert answer.said == "answer 404: Cannot POST ...: no ..., nothing for ..."


@pytest.mark.parametrize(
    "blocks",
    [[b"ok", ConnectionLost("gone", before_headers=False)], [None]],
    ids=["cut", "endless"],
)
async def test_an_answer_that_is_cut_or_does_not_end_was_an_answer(
    blocks: list[bytes | Exception | None],
) -> None:
    answer = ScriptedAnswer(blocks, status=202)
    place = place_of(URL, allow_private=False, proxy=None, whose="route 'ops'")

    told = await Posted(place, slack, ScriptedProvider(answer), 0.05).tell(FIRING, NOW_US)

    assert told == Answer(taken=True, said="answer 202", status=202)
    assert answer.closed


async def test_a_receiver_that_says_nothing_in_time_is_told_again() -> None:
    class Silent:
        async def send(
            self, origin: Origin, head: bytes, body: bytes, *, connect_timeout_s: float
        ) -> Response:
            _ = origin, head, body, connect_timeout_s
            await asyncio.Event().wait()
            raise AssertionError

    place = place_of(URL, allow_private=False, proxy=None, whose="route 'ops'")

    told = await Posted(place, slack, Silent(), 0.05).tell(FIRING, NOW_US)

    assert told == Answer(taken=False, said="no answer within 0.05 s")


async def test_a_receiver_that_is_not_there_is_told_of() -> None:
    answer = await tell("http://127.0.0.1:1/", slack)

    assert (answer.taken, answer.sent) == (False, False)
    assert answer.said.startswith("ConnectFailed: ")


async def test_a_receiver_on_a_private_network_needs_leave(receiver: Receiver) -> None:
    place = place_of(receiver.url, allow_private=False, proxy=None, whose="route 'ops'")

    answer = await Posted(place, slack, Http1Transport()).tell(FIRING, NOW_US)

    assert (answer.taken, receiver.arrived) == (False, [])
    assert answer.said.startswith("AddressRefused: ")


@pytest.mark.parametrize("url", ["ftp://hooks.example.com", "https://", "https://a/b c", "x"])
def test_a_url_that_cannot_be_used_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(SettingsInvalid, match="route 'ops' has a URL that cannot") as caught:
        place_of(
            f"{url}#s3cret" if url != "x" else "s3cret",
            allow_private=False,
            proxy=None,
            whose="route 'ops'",
        )

    assert "s3cret" not in str(caught.value)


def test_a_place_does_not_show_what_may_be_a_secret() -> None:
    place = place_of(
        "https://hooks.slack.com/T0/s3cret", allow_private=False, proxy=None, whose="route 'o'"
    )

    assert "s3cret" not in repr(place)
