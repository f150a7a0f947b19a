"""Stages 3 and 6: guards look at every text of the request, and of the answer.

A guard only finds; the policy decides. With no guard configured the screen allows everything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from trimtab.domain.verdict import Finding
from trimtab.pipeline.handoff import Planned, Screened


class InputGuard(Protocol):
    """Looks at what a request carries. The same request always gives the same findings."""

    async def check(self, planned: Planned) -> tuple[Finding, ...]:
        """Find everything of this guard's kind."""
        ...


@dataclass(frozen=True, slots=True)
class Screen:
    """Run the guards over a planned request."""

    guards: Sequence[InputGuard] = ()

    async def __call__(self, planned: Planned) -> Screened:
        """Screen a request."""
        if not self.guards:
            return Screened(planned)
        findings = [finding for guard in self.guards for finding in await guard.check(planned)]
        return Screened(planned, findings=tuple(findings))
