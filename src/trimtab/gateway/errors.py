"""One table from error codes to what each wire says.

Codes are Trimtab's, stable and greppable; where OpenAI has a code that apps already test, OpenAI's
wire sends that one.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from trimtab.domain.errors import ProviderRefused, Refused, TrimtabError, TryLater
from trimtab.domain.model import Wire
from trimtab.pipeline.reply import Facts

LONGEST_TOLD_WAIT_S = 120.0
OVERLOADED_ON_ANTHROPIC = 529


class Shape(NamedTuple):
    """How an error looks.

    Attributes:
        openai_code: OpenAI's own code, where it has one; else ours is sent.
        retry: Whether the SDKs may try again on their own.
    """

    status: int
    openai_type: str
    anthropic_type: str
    openai_code: str | None = None
    retry: bool = False


_INVALID = Shape(400, "invalid_request_error", "invalid_request_error")
_KEY = Shape(401, "invalid_request_error", "authentication_error", "invalid_api_key")
_DENIED = Shape(403, "permission_error", "permission_error")
_EMPTY = Shape(402, "insufficient_quota", "billing_error")
_LIMITED = Shape(429, "rate_limit_error", "rate_limit_error", "rate_limit_exceeded", retry=True)
_PROVIDER = Shape(502, "server_error", "api_error")
_LATER = Shape(503, "server_error", "api_error", retry=True)

SHAPES: Mapping[str, Shape] = {
    "internal": Shape(500, "server_error", "api_error"),
    "invalid_request": _INVALID,
    "field_not_allowed": _INVALID,
    "unsupported": _INVALID,
    "unsupported_by_target": _INVALID,
    "prompt_ambiguous": _INVALID,
    "prompt_variables_invalid": _INVALID,
    "prompt_hash_mismatch": _INVALID,
    "prompt_shape_mismatch": _INVALID,
    "prompt_unavailable": _LATER,
    "precondition_required": Shape(428, "invalid_request_error", "invalid_request_error"),
    "version_blocked": Shape(410, "invalid_request_error", "not_found_error"),
    "version_corrupt": Shape(500, "server_error", "api_error"),
    "not_a_plain_template": Shape(406, "invalid_request_error", "invalid_request_error"),
    "content_blocked": _INVALID._replace(openai_code="content_filter"),
    "unauthenticated": _KEY,
    "key_expired": _KEY,
    "key_revoked": _KEY,
    "model_not_allowed": _DENIED,
    "model_suspended": _DENIED,
    "tenant_suspended": _DENIED,
    "tenant_not_allowed": _DENIED,
    "price_unknown": _DENIED,
    "maximum_unknown": _DENIED,
    "budget_exhausted": _EMPTY,
    "budget_unreachable": _EMPTY,
    "budget_held": Shape(429, "rate_limit_error", "rate_limit_error", retry=True),
    "forbidden": _DENIED,
    "legal_hold_active": Shape(409, "conflict_error", "conflict_error"),
    "model_not_found": Shape(404, "invalid_request_error", "not_found_error"),
    "not_found": Shape(404, "invalid_request_error", "not_found_error"),
    "prompt_not_found": Shape(404, "invalid_request_error", "not_found_error"),
    "not_a_version": Shape(404, "invalid_request_error", "not_found_error"),
    "record_not_found": Shape(404, "invalid_request_error", "not_found_error"),
    "content_expired": Shape(410, "invalid_request_error", "not_found_error"),
    "record_erased": Shape(410, "invalid_request_error", "not_found_error"),
    "request_timeout": Shape(408, "invalid_request_error", "invalid_request_error"),
    "body_too_large": Shape(413, "invalid_request_error", "request_too_large"),
    "idempotency_done": Shape(409, "conflict_error", "conflict_error"),
    "idempotency_in_flight": Shape(409, "conflict_error", "conflict_error", retry=True),
    "idempotency_mismatch": Shape(422, "invalid_request_error", "invalid_request_error"),
    "rate_limited": _LIMITED,
    "parallel_limited": _LIMITED,
    "provider_rate_limited": Shape(429, "rate_limit_error", "rate_limit_error"),
    "provider_refused": _INVALID,
    "provider_error": _PROVIDER,
    "provider_bad_output": _PROVIDER,
    "provider_auth": _PROVIDER,
    "model_refused": _PROVIDER,
    "provider_overloaded": Shape(503, "server_error", "overloaded_error"),
    "provider_timeout": Shape(504, "server_error", "timeout_error"),
    "deadline_exceeded": Shape(504, "server_error", "timeout_error"),
    "stream_truncated": _PROVIDER,
    "stream_stalled": Shape(504, "server_error", "timeout_error"),
    "limits_unavailable": _LATER,
    "recorder_unavailable": _LATER,
    "control_unavailable": _LATER,
    "draining": _LATER,
}
"""Every code a caller can meet."""


def http_status(error: TrimtabError, wire: Wire) -> int:
    """Tell the HTTP status of an error on a wire."""
    if isinstance(error, ProviderRefused) and error.status is not None:
        return error.status
    if error.code == "provider_overloaded" and wire.is_anthropic:
        return OVERLOADED_ON_ANTHROPIC
    return _shape(error).status


def _shape(error: TrimtabError) -> Shape:
    """Find an error's shape; one that is no caller's business looks like a bug."""
    return SHAPES.get(error.code, SHAPES["internal"])


def body(error: TrimtabError, wire: Wire, request_id: str) -> bytes:
    """Write an error in the shape of a wire."""
    shape = _shape(error)
    message = str(error)
    if wire.is_anthropic:
        detail = {
            "type": shape.anthropic_type,
            "message": message,
            "details": {"error_code": error.code},
        }
        return msgspec.json.encode({"type": "error", "error": detail, "request_id": request_id})
    param = error.param if isinstance(error, Refused) else None
    code = shape.openai_code or error.code
    detail = {"message": message, "type": shape.openai_type, "param": param, "code": code}
    return msgspec.json.encode({"error": detail})


def event(error: TrimtabError, wire: Wire, facts: Facts, sent: int) -> bytes:
    """Write an error as the end of a stream, of which so many events were sent."""
    if wire is Wire.OPENAI_RESPONSES:
        return _response_failed(error, facts, sent)
    data = body(error, wire, facts.request_id)
    name = b"event: error\n" if wire.is_anthropic else b""
    return name + b"data: " + data + b"\n\n"


def _response_failed(error: TrimtabError, facts: Facts, sent: int) -> bytes:
    """Write the two events that end a response which failed; events of this wire are counted."""
    told = {"code": error.code, "message": str(error)}
    failed: dict[str, object] = {
        "id": facts.response_id or facts.request_id,
        "object": "response",
        "status": "failed",
        "error": {**told, "code": "server_error"},
        "incomplete_details": None,
        "output": [],
        "usage": None,
    }
    return b"event: error\ndata: %b\n\nevent: response.failed\ndata: %b\n\n" % (
        msgspec.json.encode({"type": "error", "sequence_number": sent, **told, "param": None}),
        msgspec.json.encode(
            {"type": "response.failed", "sequence_number": sent + 1, "response": failed}
        ),
    )


def retry_headers(error: TrimtabError) -> list[tuple[bytes, bytes]]:
    """Say whether and when a retry makes sense.

    A wait above two minutes is not told: one SDK would obey it without a cap, and sleep.
    """
    headers = [(b"x-trimtab-error", error.code.encode())]
    wait_s = error.wait_s if isinstance(error, TryLater) else None
    if not _shape(error).retry or (wait_s is not None and wait_s > LONGEST_TOLD_WAIT_S):
        return [*headers, (b"x-should-retry", b"false")]
    wait_ms = max(1, round((1.0 if wait_s is None else wait_s) * 1000))
    return [
        *headers,
        (b"x-should-retry", b"true"),
        (b"retry-after", b"%d" % -(-wait_ms // 1000)),
        (b"retry-after-ms", b"%d" % wait_ms),
    ]
