"""What has happened to one request so far. The only mutable thing a request carries."""

from dataclasses import dataclass, field

from trimtab.domain.clock import Clock
from trimtab.domain.errors import DeadlineExceeded, Refused, UpstreamFailed
from trimtab.domain.record import PromptUse, StageTime
from trimtab.pipeline.handoff import Funded, Identified, Planned, Request, Route, Screened
from trimtab.pipeline.transcript import Transcript
from trimtab.store.base.idempotency import Claim


@dataclass(slots=True)
class Try:
    """One attempt: where it went, when, and what came of it.

    Attributes:
        sent_hash: Keyed hash of the upstream body, hex.
        dispatched: Whether the provider may have seen the request, and so may bill it.
        cancelled: Whether we closed it before its end.
    """

    n: int
    route: Route
    started_s: float
    sent_hash: str
    input_floor: int
    ended_s: float = 0.0
    first_token_s: float | None = None
    http_status: int | None = None
    error: UpstreamFailed | None = None
    provider_request_id: str | None = None
    dispatched: bool = False
    cancelled: bool = False
    transcript: Transcript = field(default_factory=Transcript)


def out_of_time(attempt: Try, now_s: float) -> DeadlineExceeded:
    """Say that the caller's deadline ended an attempt."""
    return DeadlineExceeded(
        f"target '{attempt.route.target}' did not end its answer before the deadline of the"
        " request; allow more in x-trimtab-deadline-ms",
        after_s=now_s - attempt.started_s,
        usage_possible=True,
    )


class Journey:
    """The way of one request through the stages.

    Attributes:
        tries: Attempts made, oldest first.
        committed: Whether the caller has seen the head of an answer.
        gone: Whether the caller hung up before the end.
        estimate: Our own answer where no target can give one.
        claimed: Whether it has its idempotency key, and must say what came of it.
        earlier: The request of the same idempotency key whose answer it gives.
        ended_by: Why we broke it off, if we did.
        input_ref: Ref of the upstream body in the content store.
        prompt: Which version its messages were made of.
        checkpoint_s: When the stream was last written down.
        withheld: The upstream body, if how much of it is kept is decided at the end.
    """

    __slots__ = (
        "_clock",
        "_stage_s",
        "begun",
        "checkpoint_s",
        "claimed",
        "committed",
        "earlier",
        "ended_by",
        "estimate",
        "funded",
        "gone",
        "identified",
        "input_ref",
        "planned",
        "prompt",
        "request",
        "screened",
        "stages",
        "tries",
        "withheld",
    )

    def __init__(self, request: Request, clock: Clock) -> None:
        self.request = request
        self.identified: Identified | None = None
        self.planned: Planned | None = None
        self.screened: Screened | None = None
        self.funded: Funded | None = None
        self.tries: list[Try] = []
        self.stages: list[StageTime] = []
        self.begun = False
        self.committed = False
        self.gone = False
        self.claimed = False
        self.earlier: Claim | None = None
        self.estimate: bytes | None = None
        self.ended_by: Refused | None = None
        self.input_ref: bytes | None = None
        self.prompt: PromptUse | None = None
        self.checkpoint_s = request.started_s
        self.withheld: bytes | None = None
        self._clock = clock
        self._stage_s = request.started_s

    def answers_with(self, attempt: Try) -> None:
        """Make an earlier attempt the one whose answer is given."""
        attempt.error = None
        self.tries.remove(attempt)
        self.tries.append(attempt)

    def passed(self, stage: str) -> None:
        """Say that a stage ended now; the next one begins at the same instant."""
        now_s = self._clock.monotonic_s()
        began_us = round((self._stage_s - self.request.started_s) * 1e6)
        self.stages.append(StageTime(stage, began_us, round((now_s - self._stage_s) * 1e6)))
        self._stage_s = now_s
