"""The seam between evaluations and the network: calls through the gateway, and who judges."""

from typing import Protocol

from msgspec import Struct

from trimtab.evals.judging import Judge
from trimtab.evals.metrics.base import Embedder
from trimtab.evals.result import JudgeSeen

CHAT = "/v1/chat/completions"

OK = 200
UNAUTHENTICATED = 401
PAYMENT_REQUIRED = 402
CONFLICT = 409
TOO_MANY = 429
AWAY = frozenset({502, 503, 529})
"""Statuses of a gateway or provider that cannot answer now; nothing was paid."""

JUDGE = "judge"
"""The arm of calls that score an answer."""


class Reply(Struct, frozen=True, kw_only=True):
    """What the gateway answered to one call.

    Attributes:
        cost_nano: What it cost; `None` is unknown.
        model: `provider/model` that answered, dated as the provider names it.
        retry_after_s: Seconds that the gateway asks to wait.
        latency_s: Seconds from the request to the whole answer.
    """

    status: int
    body: bytes
    request_id: str | None = None
    cost_nano: int | None = None
    model: str | None = None
    retry_after_s: float | None = None
    latency_s: float | None = None


class Gateway(Protocol):
    """Where models are called."""

    async def call(self, path: str, body: bytes, *, place: str) -> Reply:
        """POST a body. `place` is run, case, arm and sample, with slashes between.

        Raises:
            UpstreamFailed: the gateway cannot be reached.
            TryLater: the run was stopped, and calls nobody any more.
        """
        ...


class Judging(Protocol):
    """Who judges in one run, with all that they remember."""

    @property
    def embedder(self) -> Embedder | None:
        """Who turns texts into vectors."""
        ...

    @property
    def remembered(self) -> int:
        """How many verdicts were not asked for, for they were known."""
        ...

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences for people, once the run is over."""
        ...

    def at(self, place: str) -> Judge:
        """Give the judge whose calls carry a place."""
        ...

    def seen(self) -> JudgeSeen:
        """Tell who judged; the hashes of the prompts are known from the beginning."""
        ...


def place_of(run: str, case: str, arm: str, sample: int) -> str:
    """Write what a call is part of, as the header `x-trimtab-eval` has it."""
    return f"{run}/{case}/{arm}/{sample}"
