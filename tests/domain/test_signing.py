"""What we sign, judged by the reference library of Standard Webhooks."""

import time
from base64 import b64encode

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.signing import read_secret, signature

KEY = bytes(range(32))
SECRET = "whsec_" + b64encode(KEY).decode()
BODY = '{"type":"prompt.published","reason":"für alle"}'.encode()


def headers(now_s: int) -> dict[str, str]:
    return {
        "webhook-id": "c_1",
        "webhook-timestamp": str(now_s),
        "webhook-signature": signature(read_secret(SECRET), "c_1", now_s, BODY),
    }


@pytest.fixture
def now_s() -> int:
    """The reference refuses what is older than five minutes."""
    return int(time.time())  # noqa: TID251


def test_the_reference_takes_what_we_sign(now_s: int) -> None:
    assert Webhook(SECRET).verify(BODY, headers(now_s))["type"] == "prompt.published"


@pytest.mark.parametrize(
    ("changed", "body"),
    [
        ({}, BODY + b" "),
        ({"webhook-id": "c_2"}, BODY),
        ({"webhook-timestamp": "LATER"}, BODY),
        ({"webhook-signature": "v1,AAAA"}, BODY),
    ],
)
def test_the_reference_refuses_what_was_changed(
    changed: dict[str, str], body: bytes, now_s: int
) -> None:
    sent = headers(now_s) | changed
    sent["webhook-timestamp"] = sent["webhook-timestamp"].replace("LATER", str(now_s + 1))

    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        Webhook(SECRET).verify(body, sent)


def test_another_secret_is_refused(now_s: int) -> None:
    other = "whsec_" + b64encode(bytes(32)).decode()

    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        Webhook(other).verify(BODY, headers(now_s))


def test_the_example_of_the_specification_is_signed_as_it_says() -> None:
    secret = read_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    signed = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')

    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("secret", [SECRET, SECRET.rstrip("=")])
def test_a_secret_is_read_with_and_without_padding(secret: str) -> None:
    assert read_secret(secret) == KEY


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        "hunter2",
        SECRET.removeprefix("whsec_"),
        "whsec_hunter2a!!!!" + SECRET[7:],
        "whsec_é" + SECRET[7:],
        "whsec_" + b64encode(bytes(23)).decode(),
    ],
)
def test_what_is_no_secret_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(SettingsInvalid, match="make one with `echo whsec_") as caught:
        read_secret(text)

    assert "hunter2" not in str(caught.value)
