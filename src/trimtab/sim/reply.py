"""What both wires render: one reply, and the events of its stream."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, NamedTuple, cast

import msgspec

from trimtab.sim.answer import Answer
from trimtab.sim.bill import Usage
from trimtab.sim.faults import Faults
from trimtab.sim.models import another
from trimtab.sim.request import Request

to_json = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """All that is said in answer to a request. `usage` is the true one."""

    unique: str
    created_s: int
    request: Request
    answers: tuple[Answer, ...]
    usage: Usage

    @property
    def model(self) -> str:
        """The model's name as it is told."""
        served = self.request.served
        return another(served) if self.request.faults.wrong_model else served.dated


class Kind(Enum):
    """What an event is to a stream."""

    OPENING = auto()
    REASONING = auto()
    CONTENT = auto()
    FRAME = auto()
    CLOSING = auto()
    END = auto()


class Event(NamedTuple):
    """Some bytes of a stream.

    Attributes:
        raw: May be empty: what is generated and not shown.
        tokens: How many were generated for it.
        wait_s: A pause before it.
    """

    kind: Kind
    raw: bytes
    tokens: int = 0
    wait_s: float = 0.0


def told_usage(counts: Mapping[str, Any], faults: Faults) -> dict[str, Any] | None:
    """Give usage as it is reported: true, none, zero or as strings."""
    if faults.no_usage:
        return None
    told = dict(counts)
    if faults.usage_zero:
        told = cast("dict[str, Any]", _mapped(told, zero=True))
    return cast("dict[str, Any]", _mapped(told, zero=False)) if faults.usage_string else told


def _mapped(value: Any, *, zero: bool) -> Any:  # noqa: ANN401  # JSON values
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        return {name: _mapped(member, zero=zero) for name, member in members.items()}
    if isinstance(value, int):
        return 0 if zero else str(value)
    return value
