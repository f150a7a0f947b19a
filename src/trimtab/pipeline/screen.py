"""Stages 3 and 6: guards look at every text of the request, and of the answer.

A guard only finds; the policy decides. With no guard configured the screens allow everything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from msgspec import Struct

from trimtab.domain.verdict import Decision, Finding
from trimtab.pipeline.call import Answered
from trimtab.pipeline.handoff import Planned, Screened


class InputGuard(Protocol):
    """Looks at what a request carries. The same request always gives the same findings."""

    async def check(self, planned: Planned) -> tuple[Finding, ...]:
        """Find everything of this guard's kind."""
        ...


class OutputGuard(Protocol):
    """Looks at an answer as far as it has come: a whole one, or a stream's first content."""

    async def check(self, answered: Answered) -> tuple[Finding, ...]:
        """Find everything of this guard's kind."""
        ...


class Checked(Struct, frozen=True):
    """An answer that the guards have seen; only such a one is relayed."""

    answered: Answered
    decision: Decision = Decision.ALLOW
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class ScreenInput:
    """Run the guards over a planned request."""

    guards: Sequence[InputGuard] = ()

    async def __call__(self, planned: Planned) -> Screened:
        """Screen a request."""
        if not self.guards:
            return Screened(planned)
        findings = [finding for guard in self.guards for finding in await guard.check(planned)]
        return Screened(planned, findings=tuple(findings))


@dataclass(frozen=True, slots=True)
class ScreenOutput:
    """Run the guards over an answer that has begun."""

    guards: Sequence[OutputGuard] = ()

    async def __call__(self, answered: Answered) -> Checked:
        """Screen an answer."""
        if not self.guards:
            return Checked(answered)
        findings = [finding for guard in self.guards for finding in await guard.check(answered)]
        return Checked(answered, findings=tuple(findings))
