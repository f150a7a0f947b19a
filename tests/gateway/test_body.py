import msgspec
import pytest

from trimtab.domain.errors import InvalidRequest
from trimtab.domain.model import Wire
from trimtab.gateway.body import read

WIRES = list(Wire)
MESSAGES = [{"role": "user", "content": "hi"}]


def asked(wire: Wire) -> str:
    """Name the member that holds what is asked."""
    of_messages = wire.is_anthropic or wire is Wire.OPENAI_CHAT
    return "messages" if of_messages else "input"


@pytest.mark.parametrize("wire", WIRES)
def test_keeps_the_very_bytes_of_every_member(wire: Wire) -> None:
    name = asked(wire)
    data = b'{"model":"m", "%b":[ {"role":"user"} ],"new":{"a": 1.50}, "user":"u"}' % name.encode()

    routing, _, members = read(wire, data)

    assert routing.model == "m"
    assert bytes(members[name]) == b'[ {"role":"user"} ]'
    assert bytes(members["new"]) == b'{"a": 1.50}'
    assert list(members) == ["model", name, "new", "user"]


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    ("data", "param"),
    [
        pytest.param(b"", None, id="empty"),
        pytest.param(b"{", None, id="cut"),
        pytest.param(b"[]", None, id="a list"),
        pytest.param(b'"text"', None, id="a string"),
        pytest.param(b'{"model":"\xff","asked":[{}]}', None, id="invalid UTF-8"),
        pytest.param(b'{"model":7,"asked":[{}]}', "model", id="model is a number"),
        pytest.param(b'{"model":"","asked":[{}]}', "model", id="model is empty"),
        pytest.param(b'{"model":"m"}', "asked", id="nothing asked"),
        pytest.param(b'{"model":"m","asked":{}}', "asked", id="what is asked is no list"),
        pytest.param(b'{"model":"m","asked":[]}', "asked", id="an empty list"),
        pytest.param(b'{"model":"m","asked":[{}],"stream":1}', "stream", id="stream is 1"),
        pytest.param(
            b'{"model":"m","asked":[{}],"trimtab":{"featur":"x"}}', "trimtab.featur", id="our typo"
        ),
        pytest.param(b"[" * 100_000, None, id="nested too deep"),
        pytest.param(
            b'{"model":"m","asked":[{}],"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            None,
            id="nested too deep inside",
        ),
    ],
)
def test_says_what_is_wrong_and_where(wire: Wire, data: bytes, param: str | None) -> None:
    with pytest.raises(InvalidRequest) as raised:
        read(wire, data.replace(b"asked", asked(wire).encode()))

    assert raised.value.param == (asked(wire) if param == "asked" else param)
    assert ";" in str(raised.value)


@pytest.mark.parametrize("wire", [wire for wire in WIRES if wire is not Wire.OPENAI_MODERATIONS])
def test_a_model_must_be_named(wire: Wire) -> None:
    with pytest.raises(InvalidRequest) as raised:
        read(wire, msgspec.json.encode({asked(wire): MESSAGES}))

    assert raised.value.param == "model"


def test_moderations_have_the_default_model_of_openai() -> None:
    assert read(Wire.OPENAI_MODERATIONS, b'{"input":"hi"}')[0].model == "omni-moderation-latest"


@pytest.mark.parametrize(
    "wire", [Wire.OPENAI_RESPONSES, Wire.OPENAI_EMBEDDINGS, Wire.OPENAI_MODERATIONS]
)
def test_an_input_may_be_one_text_but_not_an_empty_one(wire: Wire) -> None:
    assert read(wire, b'{"model":"m","input":"hi"}')[0].model == "m"
    with pytest.raises(InvalidRequest) as raised:
        read(wire, b'{"model":"m","input":""}')
    assert raised.value.param == "input"


def test_a_response_tells_what_it_goes_on_from() -> None:
    body = {"model": "m", "input": "hi", "previous_response_id": "resp_1"}

    assert read(Wire.OPENAI_RESPONSES, msgspec.json.encode(body))[0].previous == "resp_1"
    assert (
        read(Wire.OPENAI_CHAT, msgspec.json.encode({**body, "messages": MESSAGES}))[0].previous
        is None
    )


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
def test_a_member_given_twice_is_refused_by_name(wire: Wire, name: bytes) -> None:
    data = b'{"model":"a","%b":[{"role":"user"}],%b:"b"}' % (asked(wire).encode(), name)

    with pytest.raises(InvalidRequest, match="twice") as raised:
        read(wire, data)

    assert raised.value.param == "model"


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("feature", ["Search", "a b", "-a", "ä", "a" * 64])
def test_a_feature_must_be_a_name(wire: Wire, feature: str) -> None:
    body = {"model": "m", asked(wire): MESSAGES, "trimtab": {"feature": feature}}

    with pytest.raises(InvalidRequest) as raised:
        read(wire, msgspec.json.encode(body))

    assert raised.value.param == "trimtab"


def test_what_our_own_member_takes_is_named() -> None:
    body = {"model": "m", "messages": MESSAGES, "trimtab": {"prompt": {"name": "rag-answer"}}}

    with pytest.raises(InvalidRequest, match="takes id, version, variables") as raised:
        read(Wire.OPENAI_CHAT, msgspec.json.encode(body))

    assert raised.value.param == "trimtab.prompt.name"
