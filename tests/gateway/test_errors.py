from collections.abc import Iterator

import msgspec
import pytest

from trimtab.domain import errors as domain
from trimtab.domain.errors import (
    InvalidRequest,
    ModelNotFound,
    ProviderOverloaded,
    RateLimited,
    TrimtabError,
    UnsupportedByTarget,
)
from trimtab.domain.model import Wire
from trimtab.gateway import errors


def _leaves(base: type[TrimtabError]) -> Iterator[str]:
    for child in base.__subclasses__():
        if not child.__subclasses__() and not issubclass(child, domain.SettingsInvalid):
            yield child.code
        yield from _leaves(child)


@pytest.mark.parametrize("code", sorted(set(_leaves(TrimtabError))))
def test_every_error_a_caller_can_meet_has_a_shape(code: str) -> None:
    assert code in errors.SHAPES


def test_speaks_openai() -> None:
    body = msgspec.json.decode(errors.body(ModelNotFound("no such model"), Wire.OPENAI_CHAT, "r_1"))

    assert body == {
        "error": {
            "message": "no such model",
            "type": "invalid_request_error",
            "param": None,
            "code": "model_not_found",
        }
    }


@pytest.mark.parametrize("kind", [InvalidRequest, UnsupportedByTarget])
def test_names_the_member_at_fault(kind: type[InvalidRequest | UnsupportedByTarget]) -> None:
    body = errors.body(kind("no", param="messages[0].name"), Wire.OPENAI_CHAT, "r_1")

    assert msgspec.json.decode(body)["error"]["param"] == "messages[0].name"


def test_speaks_anthropic() -> None:
    error = ModelNotFound("no such model")

    body = msgspec.json.decode(errors.body(error, Wire.ANTHROPIC_MESSAGES, "r_1"))

    assert body == {
        "type": "error",
        "error": {
            "type": "not_found_error",
            "message": "no such model",
            "details": {"error_code": "model_not_found"},
        },
        "request_id": "r_1",
    }


def test_overload_has_the_status_each_wire_knows() -> None:
    error = ProviderOverloaded("no room")

    assert errors.http_status(error, Wire.OPENAI_CHAT) == 503
    assert errors.http_status(error, Wire.ANTHROPIC_MESSAGES) == 529


def test_tells_the_true_wait_and_none_that_would_freeze_a_caller() -> None:
    soon = dict(errors.retry_headers(RateLimited("slow down", wait_s=2.5)))
    late = dict(errors.retry_headers(RateLimited("slow down", wait_s=3600)))

    assert soon[b"retry-after"] == b"3"
    assert soon[b"retry-after-ms"] == b"2500"
    assert b"retry-after" not in late
    assert late[b"x-should-retry"] == b"false"
