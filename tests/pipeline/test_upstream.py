import msgspec
import pytest
from tests.pipeline.conftest import CHAT, CHAT_ADAPTER, SIM, Rig

from trimtab.domain.errors import ProviderAuth
from trimtab.domain.model import Provider, Wire
from trimtab.domain.transport import Origin
from trimtab.pipeline import upstream
from trimtab.pipeline.handoff import Route
from trimtab.pipeline.upstream import Upstreams
from trimtab.wiring.gateway import SPOKEN


def changed(**changes: object) -> Provider:
    return msgspec.structs.replace(SIM, **changes)


def upstreams(asked: list[str] | None = None) -> Upstreams:
    def secret(reference: str) -> str:
        if asked is not None:
            asked.append(reference)
        return "sk-1"

    return Upstreams(secret, lambda host: f"http://proxy.for/{host}")


@pytest.mark.parametrize(
    ("provider", "origin"),
    [
        pytest.param(
            changed(url="https://api.example.com/v1", allow_private_network=False),
            Origin(
                scheme="https",
                host="api.example.com",
                port=443,
                proxy="http://proxy.for/api.example.com",
            ),
            id="https by the proxy",
        ),
        pytest.param(
            changed(url="http://10.0.0.5:8000/v1"),
            Origin(scheme="http", host="10.0.0.5", port=8000, allow_private=True),
            id="http never by the proxy",
        ),
        pytest.param(
            changed(url="http://[::1]:9/v1", ca_file="/ca.pem"),
            Origin(scheme="http", host="::1", port=9, allow_private=True, ca_file="/ca.pem"),
            id="IPv6",
        ),
        pytest.param(
            changed(url="http://host"),
            Origin(scheme="http", host="host", port=80, allow_private=True),
            id="the port of http",
        ),
    ],
)
def test_leads_to_where_the_account_says(provider: Provider, origin: Origin) -> None:
    assert upstreams()(Route(CHAT.to, provider, CHAT_ADAPTER), Rig().request()).origin == origin


def test_the_secret_is_read_once_an_account_and_again_when_it_changed() -> None:
    asked: list[str] = []
    give, request = upstreams(asked), Rig().request()
    first, second = changed(key="env:A"), changed(key="env:B")

    one = give(Route(CHAT.to, first, CHAT_ADAPTER), request)
    assert give(Route(CHAT.to, first, CHAT_ADAPTER), request) is one
    assert give(Route(CHAT.to, second, CHAT_ADAPTER), request) is not one

    assert asked == ["env:A", "env:B"]


def test_an_account_without_a_key_sends_none() -> None:
    asked: list[str] = []

    head = upstreams(asked)(Route(CHAT.to, SIM, CHAT_ADAPTER), Rig().request()).head

    assert asked == []
    assert b"authorization" not in head.lower()


@pytest.mark.parametrize(
    ("wire", "header"),
    [
        (Wire.OPENAI_CHAT, b"\r\nauthorization: Bearer sk-1\r\n"),
        (Wire.ANTHROPIC_MESSAGES, b"\r\nx-api-key: sk-1\r\n"),
    ],
)
def test_a_key_goes_where_its_wire_wants_it(wire: Wire, header: bytes) -> None:
    route = Route(CHAT.to, changed(key="env:A"), SPOKEN[wire])

    assert header in upstreams()(route, Rig().request(wire=wire)).head


def test_headers_of_one_caller_do_not_reach_anothers_request() -> None:
    give, route = upstreams(), Route(CHAT.to, SIM, CHAT_ADAPTER)
    beta = Rig().request(wire_headers=(("openai-beta", "x=1"),))

    assert b"openai-beta: x=1\r\n" in give(route, beta).head
    assert b"openai-beta" not in give(route, Rig().request()).head


def test_heads_are_bounded_however_many_headers_callers_invent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upstream, "MAX_HEADS", 4)
    give, route = upstreams(), Route(CHAT.to, SIM, CHAT_ADAPTER)

    for number in range(20):
        request = Rig().request(wire_headers=(("openai-beta", str(number)),))
        assert b"openai-beta: %d\r\n" % number in give(route, request).head

    assert len(vars(give)["_rendered"]) <= 4


def test_a_secret_that_is_missing_is_the_providers_refusal() -> None:
    def missing(reference: str) -> str:
        raise ProviderAuth(f"secret {reference!r} is not there; set it")

    give = Upstreams(missing, lambda _: None)

    with pytest.raises(ProviderAuth):
        give(Route(CHAT.to, changed(key="env:A"), CHAT_ADAPTER), Rig().request())
