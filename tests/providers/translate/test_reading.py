import pytest
from msgspec import Raw, Struct

from trimtab.domain.errors import InvalidRequest
from trimtab.providers.base import Loss
from trimtab.providers.translate.reading import Losses, kind_of, object_in, read, read_list


class Inner(Struct, frozen=True):
    size: int = 1


class Outer(Struct, frozen=True):
    name: str
    inner: Inner | None = None
    anything: Raw = Raw(b"null")


def read_outer(raw: bytes) -> tuple[Outer, list[Loss]]:
    losses = Losses()
    return read(Outer, Raw(raw), "messages[0]", losses), losses.found


def test_a_member_that_no_struct_knows_is_lost_by_its_path() -> None:
    _, losses = read_outer(b'{"name":"a","seed":1,"inner":{"size":2,"colour":"red"}}')

    assert losses == [
        Loss("messages[0].seed", hint=False),
        Loss("messages[0].inner.colour", hint=False),
    ]


def test_what_is_known_keeps_its_bytes() -> None:
    outer, losses = read_outer(b'{"name":"a","anything":{ "b": 1.50 }}')

    assert bytes(outer.anything) == b'{ "b": 1.50 }'
    assert losses == []


def test_null_is_absence() -> None:
    outer, losses = read_outer(b'{"name":"a","seed":null,"inner":null,"anything":null}')

    assert outer == Outer("a")
    assert losses == []


@pytest.mark.parametrize(
    "member",
    [
        b'"n":1',
        b'"logprobs":false',
        b'"logit_bias":{}',
        b'"presence_penalty":0.0',
        b'"store":false',
        b'"annotations":[]',
    ],
)
def test_a_member_that_asks_for_nothing_is_not_lost(member: bytes) -> None:
    assert read_outer(b'{"name":"a",' + member + b"}")[1] == []


@pytest.mark.parametrize(
    "member", ['"cache_control":{"type":"ephemeral"}', '"detail":"low"', '"service_tier":"auto"']
)
def test_a_hint_may_go_and_is_told(member: str) -> None:
    _, losses = read_outer(f'{{"name":"a",{member}}}'.encode())

    assert [loss.hint for loss in losses] == [True]


def test_a_name_is_made_fit_for_a_header() -> None:
    _, losses = read_outer(b'{"name":"a","x\\r\\nset-cookie: 1, ' + b"y" * 500 + b'":1}')

    assert losses[0].name.startswith("messages[0].x??set-cookie??1??yy")
    assert len(losses[0].name) == 128


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"[]", "messages[0]"),
        (b"{", "messages[0]"),
        (b'{"inner":{}}', "messages[0]"),
        (b'{"name":7}', "messages[0].name"),
        (b'{"name":"a","inner":{"size":"s"}}', "messages[0].inner.size"),
        (b'{"name":"a","inner":[]}', "messages[0].inner"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_path_and_not_quoted(raw: bytes, path: str) -> None:
    with pytest.raises(InvalidRequest, match="cannot be read") as raised:
        read_outer(raw)

    assert raised.value.param == path


def test_a_list_and_a_kind_have_to_be_there() -> None:
    with pytest.raises(InvalidRequest):
        read_list(Raw(b'"text"'), "messages")
    with pytest.raises(InvalidRequest) as raised:
        kind_of(Raw(b"{}"), "tools[1]")

    assert raised.value.param == "tools[1].type"
    assert kind_of(Raw(b"{}"), "tools[1]", default="function") == "function"


def test_arguments_are_taken_byte_for_byte() -> None:
    assert bytes(object_in('{ "a" : 1.0 }', "at")) == b'{ "a" : 1.0 }'
    assert bytes(object_in("", "at")) == b"{}"


@pytest.mark.parametrize("text", ["[]", "null", '{"a":', "7"])
def test_arguments_that_are_no_object_are_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        object_in(text, "messages[1].tool_calls[0].function.arguments")
