"""What every fault of the simulator's menu has to lead to, on either wire: the outcome that both
SDK suites hold the record, the ledger and the error against. It is made from the matrix.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.e2e.conftest import Stack
from tests.e2e.matrix import FAULTS, SHAPES, End, Fault, status_of

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


def _model(fault: Fault) -> str:
    name = "hasty" if fault.hasty else "stormy" if fault.model else "chat"
    return f"{name}!{fault.text}" if fault.text else name


def _is_same(fault: Fault) -> bool:
    """Whether a fault ends every request alike."""
    return fault.whole == fault.openai == fault.anthropic


def _failures(end_of: Callable[[Fault], End], *, same: bool) -> tuple[Failure, ...]:
    """Give the rows of the matrix that end in a status."""
    return tuple(
        Failure(
            model=_model(fault),
            code=end_of(fault).code or "",
            status=status_of(end_of(fault), fault, "openai"),
            anthropic=status_of(end_of(fault), fault, "anthropic"),
            usage=end_of(fault).usage,
        )
        for fault in FAULTS
        if end_of(fault).kind == "error" and _is_same(fault) is same
    )


ALWAYS = (
    *_failures(lambda fault: fault.whole, same=True),
    Failure(model="refused", code="provider_error", status=502, lines=0),
    Failure(model="keyless", code="provider_auth", status=502, lines=0),
)
"""Streamed or not, on either wire."""

WHOLE = _failures(lambda fault: fault.whole, same=False)
"""Answers in one piece, on either wire."""

STREAMED_OPENAI = _failures(lambda fault: fault.openai, same=False)
"""Streams that fail before their first content, and so have a status."""

STREAMED_ANTHROPIC = _failures(lambda fault: fault.anthropic, same=False)
"""The same on a wire whose first event tells the input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A stream that must fail after its first content, and so ends in an error event."""

    model: str
    code: str
    complete: bool = False

    def __str__(self) -> str:
        return self.model


CUT = tuple(
    Cut(
        model=_model(fault),
        code=fault.openai.code or "",
        complete=fault.openai.charge == "exact",
    )
    for fault in FAULTS
    if fault.openai.kind == "cut"
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
    *(Success(model=name) for name in ("chat-small", "sim/reasoner")),
    *(
        Success(
            model=_model(fault),
            usage=fault.whole.usage,
            zero=fault.whole.charge == "zero",
        )
        for fault in FAULTS
        if fault.whole.kind == "answer" and _is_same(fault) and len(fault.shapes) == len(SHAPES)
    ),
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
