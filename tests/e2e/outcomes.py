"""What every fault of the simulator's menu has to lead to, on either wire: the outcome that both
SDK suites hold the record, the ledger and the error against.
"""

from dataclasses import dataclass
from typing import Any

from tests.e2e.conftest import Stack

from trimtab.sim.faults import NAMES

ELSEWHERE = frozenset(
    {*("args_in_first_delta", "args_only_in_done"), *("huge", "empty", "refusal", "wrong_model")}
)
"""Faults that tests of their own ask for, in both suites."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A request that must fail.

    Attributes:
        model: What to ask for, fault included.
        code: Trimtab's code, on the wire and in the record.
        status: HTTP status on the OpenAI wire.
        anthropic: HTTP status on the Anthropic wire, where it has one of its own.
        usage: The record's `usage_source`: `none` costs nothing, the others what can be proved.
        lines: Ledger lines; none if no provider can have seen the request.
    """

    model: str
    code: str
    status: int
    anthropic: int | None = None
    usage: str = "none"
    lines: int = 1

    def __str__(self) -> str:
        return self.model

    def on_anthropic(self) -> int:
        """The status on the Anthropic wire."""
        return self.anthropic or self.status


def _refused(status: int) -> Failure:
    return Failure(model=f"chat!status:{status}", code="provider_refused", status=status)


def _lost(model: str, usage: str = "estimated") -> Failure:
    return Failure(model=model, code="provider_error", status=502, usage=usage)


def _silent(model: str, usage: str = "estimated") -> Failure:
    return Failure(model=model, code="provider_timeout", status=504, usage=usage)


def _unreadable(model: str) -> Failure:
    return Failure(model=model, code="provider_bad_output", status=502, usage="estimated")


def _overloaded(model: str, usage: str = "none") -> Failure:
    return Failure(model=model, code="provider_overloaded", status=503, anthropic=529, usage=usage)


ALWAYS = (
    *(_refused(status) for status in (400, 404, 409, 413, 422)),
    Failure(model="chat!401", code="provider_auth", status=502),
    Failure(model="chat!status:403", code="provider_auth", status=502),
    Failure(model="chat!status:408", code="provider_timeout", status=504),
    Failure(model="chat!status:429", code="provider_rate_limited", status=429),
    Failure(model="chat!retry_after:7", code="provider_rate_limited", status=429),
    Failure(model="stormy!429_storm:0.05", code="provider_rate_limited", status=429),
    Failure(model="chat!status:500", code="provider_error", status=502),
    Failure(model="chat!status:502", code="provider_error", status=502),
    _overloaded("chat!status:503"),
    Failure(model="chat!status:504", code="provider_timeout", status=504),
    _overloaded("chat!status:529"),
    _lost("chat!reset"),
    _silent("hasty!hang"),
    _silent("hasty!slow_headers:2"),
    Failure(model="refused", code="provider_error", status=502, lines=0),
    Failure(model="keyless", code="provider_auth", status=502, lines=0),
)
"""Streamed or not, on either wire."""

WHOLE = (
    _lost("chat!cut_after:3"),
    _silent("hasty!stall_after:3"),
    _silent("hasty!slow_first:2"),
    _unreadable("chat!bad_line"),
    _unreadable("chat!error_after_preamble"),
)
"""Answers in one piece, on either wire."""

STREAMED_OPENAI = (
    _lost("chat!cut_after:0"),
    _silent("hasty!stall_after:0"),
    _silent("hasty!slow_first:2"),
    _unreadable("chat!bad_line:3"),
    _lost("chat!error_after_preamble"),
)
"""Streams that fail before their first content, and so have a status."""

STREAMED_ANTHROPIC = (
    _lost("chat!cut_after:0", usage="partial"),
    _silent("hasty!stall_after:0", usage="partial"),
    _silent("hasty!slow_first:2", usage="partial"),
    _unreadable("chat!bad_line:3"),
    _overloaded("chat!error_after_preamble", usage="partial"),
)
"""The same on a wire whose first event tells the input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A stream that must fail after its first content, and so ends in an error event."""

    model: str
    code: str
    complete: bool = False

    def __str__(self) -> str:
        return self.model


CUT = (
    Cut(model="chat!cut_after:3", code="stream_truncated"),
    Cut(model="chat!no_done", code="stream_truncated", complete=True),
    Cut(model="hasty!stall_after:3", code="stream_stalled"),
    Cut(model="hasty!usage_after_finish:2", code="stream_stalled"),
)
"""`complete`: everything but the terminal came, usage too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Success:
    """A request that must succeed, whatever the provider does.

    Attributes:
        usage: The record's `usage_source`.
        zero: The provider says that it used nothing, and is believed.
    """

    model: str
    usage: str = "provider"
    zero: bool = False

    def __str__(self) -> str:
        return self.model


FINE = (
    Success(model="chat"),
    Success(model="chat-small"),
    Success(model="sim/reasoner"),
    Success(model="chat!slow_headers:0.1"),
    Success(model="chat!slow_first:0.1"),
    Success(model="chat!no_usage", usage="estimated"),
    Success(model="chat!usage_zero", zero=True),
    Success(model="chat!usage_repeated"),
    Success(model="chat!usage_after_finish:0.1"),
    Success(model="chat!usage_string"),
)
"""Streamed or not, on either wire."""

PRICES = {"large": (3000, 15000), "small": (150, 600), "reasoner": (2000, 8000)}
"""Nano-USD a token of input and of output."""


def fault_names() -> set[str]:
    """Name every fault that some table here, or a test of its own, asks for."""
    tables = (*ALWAYS, *WHOLE, *STREAMED_OPENAI, *STREAMED_ANTHROPIC, *CUT, *FINE)
    asked = {fault.partition(":")[0] for entry in tables for fault in entry.model.split("!")[1:]}
    return (asked | ELSEWHERE) & set(NAMES)


def check_failed(stack: Stack, request_id: str, failure: Failure, status: int) -> None:
    """Hold record and ledger against a failure."""
    record = stack.record(request_id)
    assert record["status"] == "error"
    assert record["error_code"] == failure.code
    assert record["http_status"] == status
    assert record["usage_source"] == failure.usage
    assert record["attempt_count"] == 1
    assert len(stack.ledger(request_id)) == failure.lines
    _check_cost(stack, record)
    if failure.usage == "none":
        assert record["cost_nano"] == 0
    else:
        assert record["output_tokens"] == 0
        assert record["cost_nano"] > 0


def check_cut(stack: Stack, request_id: str, cut: Cut, text: str) -> None:
    """Hold record and ledger against a stream that broke off after `text`."""
    record = stack.record(request_id)
    assert record["status"] == "truncated"
    assert record["error_code"] == cut.code
    assert record["http_status"] == 200
    assert record["output_tokens"] == -(-len(text) // 4)
    if cut.complete:
        assert record["usage_source"] == "provider"
        assert record["cost_nano"] == stack.billed(record["response_id"])
    else:
        assert record["usage_source"] in {"estimated", "partial"}
    assert len(stack.ledger(request_id)) == 1
    _check_cost(stack, record)


def check_fine(stack: Stack, request_id: str, success: Success, output_chars: int) -> None:
    """Hold record and ledger against a success whose answer has so many characters."""
    record = stack.record(request_id)
    assert record["status"] == "ok"
    assert record["error_code"] is None
    assert record["http_status"] == 200
    assert record["usage_source"] == success.usage
    assert record["finish_reasons"] == "stop"
    assert record["response_id"]
    assert len(stack.ledger(request_id)) == 1
    _check_cost(stack, record)
    if success.zero:
        assert record["input_tokens"] == record["output_tokens"] == record["cost_nano"] == 0
    elif success.usage == "provider":
        assert record["cost_nano"] == stack.billed(record["response_id"])
    else:
        assert record["output_tokens"] == -(-output_chars // 4)


def _check_cost(stack: Stack, record: dict[str, Any]) -> None:
    """The cost is that of the ledger and, without caches, that of the tokens."""
    lines = stack.ledger(record["request_id"])
    assert record["cost_nano"] == sum(line["cost_nano"] for line in lines)
    assert [line["usage_source"] for line in lines] == [record["usage_source"]] * len(lines)
    assert [line["tenant_id"] for line in lines] == [record["tenant_id"]] * len(lines)
    target = record["target"].partition("/")[2].partition("!")[0]
    given, wrote = PRICES[target]
    if not record["cached_tokens"] and not record["cache_write_tokens"]:
        tokens = record["input_tokens"] * given + record["output_tokens"] * wrote
        assert record["cost_nano"] == tokens
    assert record["price_version"]
