import msgspec
import pytest

from trimtab.domain.errors import InvalidRequest
from trimtab.domain.model import Wire
from trimtab.gateway.body import read

WIRES = list(Wire)
MESSAGES = [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize("wire", WIRES)
def test_keeps_the_very_bytes_of_every_member(wire: Wire) -> None:
    data = b'{"model":"m", "messages":[ {"role":"user"} ],"new":{"a": 1.50}, "stream":true}'

    routing, members = read(wire, data)

    assert routing.model == "m"
    assert routing.stream is True
    assert bytes(members["messages"]) == b'[ {"role":"user"} ]'
    assert bytes(members["new"]) == b'{"a": 1.50}'
    assert list(members) == ["model", "messages", "new", "stream"]


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    ("data", "param"),
    [
        pytest.param(b"", None, id="empty"),
        pytest.param(b"{", None, id="cut"),
        pytest.param(b"[]", None, id="a list"),
        pytest.param(b'"text"', None, id="a string"),
        pytest.param(b'{"model":"\xff","messages":[1]}', None, id="invalid UTF-8"),
        pytest.param(b'{"messages":[1]}', "model", id="no model"),
        pytest.param(b'{"model":7,"messages":[1]}', "model", id="model is a number"),
        pytest.param(b'{"model":"","messages":[1]}', "model", id="model is empty"),
        pytest.param(b'{"model":"m"}', "messages", id="no messages"),
        pytest.param(b'{"model":"m","messages":{}}', "messages", id="messages is no list"),
        pytest.param(b'{"model":"m","messages":[]}', "messages", id="no message"),
        pytest.param(b'{"model":"m","messages":[1],"stream":1}', "stream", id="stream is 1"),
        pytest.param(
            b'{"model":"m","messages":[1],"trimtab":{"featur":"x"}}', "trimtab", id="our typo"
        ),
        pytest.param(b"[" * 100_000, None, id="nested too deep"),
        pytest.param(
            b'{"model":"m","messages":[1],"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            None,
            id="nested too deep inside",
        ),
    ],
)
def test_says_what_is_wrong_and_where(wire: Wire, data: bytes, param: str | None) -> None:
    with pytest.raises(InvalidRequest) as raised:
        read(wire, data)

    assert raised.value.param == param
    assert ";" in str(raised.value)


def test_finds_the_end_user_where_each_wire_says_it() -> None:
    openai = {"model": "m", "messages": MESSAGES, "user": "u1", "safety_identifier": "u2"}
    anthropic = {"model": "m", "messages": MESSAGES, "metadata": {"user_id": "u3"}}

    assert read(Wire.OPENAI_CHAT, msgspec.json.encode(openai))[0].end_user == "u2"
    assert read(Wire.ANTHROPIC_MESSAGES, msgspec.json.encode(anthropic))[0].end_user == "u3"


def test_what_is_told_about_a_typo_is_short() -> None:
    typo = {"model": "m", "messages": MESSAGES, "trimtab": {"f" * 100_000: "x"}}

    with pytest.raises(InvalidRequest) as raised:
        read(Wire.OPENAI_CHAT, msgspec.json.encode(typo))

    assert len(str(raised.value)) < 400


def test_never_repeats_what_people_wrote() -> None:
    with pytest.raises(InvalidRequest) as raised:
        read(Wire.OPENAI_CHAT, b'{"model":"m","messages":"my secret diary"}')

    assert "diary" not in str(raised.value)


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("name", [b'"model"', b'"mod\\u0065l"'])
def test_a_member_given_twice_is_the_last_one_for_both_readings(wire: Wire, name: bytes) -> None:
    data = b'{"model":"a","messages":[1],' + name + b':"b"}'

    routing, members = read(wire, data)

    assert routing.model == msgspec.json.decode(members["model"]) == "b"
    assert list(members) == ["model", "messages"]


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("feature", ["Search", "a b", "-a", "ä", "a" * 64])
def test_a_feature_must_be_a_name(wire: Wire, feature: str) -> None:
    body = {"model": "m", "messages": MESSAGES, "trimtab": {"feature": feature}}

    with pytest.raises(InvalidRequest) as raised:
        read(wire, msgspec.json.encode(body))

    assert raised.value.param == "trimtab"
