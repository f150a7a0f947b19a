"""What a span says of a record: the names of ours that every version of the conventions gets.

Log line, record and root span are renderings of the same fields; `FIELDS` is where a test can
read which is which.
"""

from collections.abc import Mapping

from trimtab.domain.endpoints import ENDPOINTS
from trimtab.domain.money import NANO_PER_USD
from trimtab.domain.record import REHYDRATED, Detail, RequestRecord, Status

MAX_TEXT = 1024

Value = str | int | float | bool | tuple[str, ...] | None
Attributes = Mapping[str, Value]

FIELDS: Mapping[str, str] = {
    "request_id": "trimtab.request_id",
    "tenant_id": "trimtab.tenant.id",
    "tier": "trimtab.tier",
    "key_id": "trimtab.key.id",
    "feature": "trimtab.feature",
    "origin": "trimtab.origin",
    "origin_request_id": "trimtab.origin_request_id",
    "wire": "trimtab.wire",
    "stream": "trimtab.stream",
    "config_seq": "trimtab.config_seq",
    "model_requested": "trimtab.model.requested",
    "model_response": "trimtab.model.response",
    "provider": "trimtab.provider",
    "target": "trimtab.target",
    "prompt_name": "trimtab.prompt.name",
    "prompt_version": "trimtab.prompt.version",
    "prompt_hash": "trimtab.prompt.hash",
    "experiment": "trimtab.experiment",
    "arm": "trimtab.arm",
    "input_tokens": "trimtab.input_tokens",
    "cached_tokens": "trimtab.cached_tokens",
    "cache_write_tokens": "trimtab.cache_write_tokens",
    "output_tokens": "trimtab.output_tokens",
    "reasoning_tokens": "trimtab.reasoning_tokens",
    "usage_source": "trimtab.usage_source",
    "cost_nano": "trimtab.cost.nano_usd",
    "price_version": "trimtab.price_version",
    "ttft_us": "trimtab.ttft_us",
    "latency_us": "trimtab.latency_us",
    "guardrail_decision": "trimtab.guard.decision",
    "tool_call_count": "trimtab.tool_call_count",
    "attempt_count": "trimtab.attempt_count",
    "fallback_used": "trimtab.fallback_used",
    "status": "trimtab.status",
    "error_code": "trimtab.error_code",
    "http_status": "http.response.status_code",
    "replay": "trimtab.replay",
    "sampling_rule": "trimtab.sampling.rule",
    "adjusted_count": "trimtab.sampling.adjusted_count",
}
"""Fields of the record that the root span carries unchanged, and under which name."""

SHARED = (
    "request_id",
    "tenant_id",
    "tier",
    "feature",
    "origin",
    "config_seq",
    "prompt_name",
    "prompt_version",
    "prompt_hash",
    "experiment",
    "arm",
)
"""Fields that attempts carry too: receivers that look at model calls alone group by them."""

_ROUTES: Mapping[tuple[str, str], tuple[str, str]] = {
    **{(it.operation, wire.value): ("POST", it.path) for wire, it in ENDPOINTS.items()},
    ("models", "openai.chat"): ("GET", "/v1/models"),
    ("models", "anthropic.messages"): ("GET", "/v1/models"),
}
ROUTES = frozenset(path for _, path in _ROUTES.values())
"""Every route of ours that records name."""

_FAILED = frozenset({Status.ERROR, Status.TRUNCATED, Status.LOST})


def facts(record: RequestRecord) -> dict[str, Value]:
    """Give what the root span says of a record, by attribute name. Unknown is left out.

    Texts longer than 1,024 characters are cut.
    """
    said = {name: getattr(record, field) for field, name in FIELDS.items()}
    said["tenant.id"] = record.tenant_id
    said.update(sampled(record))
    said["trimtab.sampling.keep"] = "true" if record.trace_kept else "false"
    if record.input_tokens is not None and record.output_tokens is not None:
        said["trimtab.total_tokens"] = record.input_tokens + record.output_tokens
    if record.cost_nano is not None:
        said["trimtab.cost.usd"] = record.cost_nano / NANO_PER_USD
    if failed(record):
        said["error.type"] = record.error_code or record.status
    method, path = route(record)
    if path:
        said["http.request.method"], said["http.route"] = method, path
    return {name: _cut(value) for name, value in said.items() if value is not None}


def sampled(record: RequestRecord) -> Attributes:
    """Give what every span says of how it came to be exported; an unknown weight is left out."""
    is_known = record.adjusted_count or record.sampling_rule.startswith(REHYDRATED)
    return {
        FIELDS["sampling_rule"]: record.sampling_rule,
        FIELDS["adjusted_count"]: record.adjusted_count if is_known else None,
    }


def noted(detail: Detail) -> Attributes:
    """Give what every span says of the policy that decided."""
    note = detail.sampling
    if note is None:
        return {}
    return {
        "trimtab.sampling.policy_version": note.policy,
        "trimtab.sampling.slow_ms": note.slow_ms,
    }


def shared(record: RequestRecord) -> Attributes:
    """Give the facts that attempts carry too."""
    said = {FIELDS[field]: getattr(record, field) for field in SHARED}
    return {**said, "tenant.id": record.tenant_id}


def route(record: RequestRecord) -> tuple[str, str]:
    """Give method and route; no route if the record names none of ours."""
    return _ROUTES.get((record.operation, record.wire), ("HTTP", ""))


def failed(record: RequestRecord) -> bool:
    """Tell whether a request failed; a guard or a budget that said no has worked."""
    return record.status in _FAILED


def _cut(value: Value) -> Value:
    return value[:MAX_TEXT] if isinstance(value, str) else value
