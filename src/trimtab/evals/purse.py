"""What a run has spent, and whether it may go on."""

from dataclasses import dataclass

from trimtab.domain.errors import TryLater
from trimtab.evals.result import Stop


@dataclass(slots=True, kw_only=True)
class Purse:
    """State: money and calls of the run, calls in a row that nobody answered, and a stop.

    Attributes:
        max_nano: What may be spent. Calls that run when it is reached may go beyond it.
        patience: After so many calls in a row that nobody answered, nobody will.
        priced: Whether all that was paid for has a price.
    """

    max_nano: int | None = None
    patience: int = 16
    candidate_nano: int = 0
    judge_nano: int = 0
    candidate_calls: int = 0
    judge_calls: int = 0
    priced: bool = True
    unanswered: int = 0
    stopped: Stop | None = None

    def check(self) -> None:
        """Insist that the run may make another call.

        Raises:
            TryLater: it was stopped, or has no money left.
        """
        spent = self.candidate_nano + self.judge_nano
        if self.max_nano is not None and spent >= self.max_nano:
            self.stop(Stop.BUDGET)
        if self.stopped is not None:
            raise TryLater(f"the run was stopped ({self.stopped}); resume it")

    def stop(self, why: Stop) -> None:
        """Let no further call begin; the first reason counts."""
        self.stopped = self.stopped or why

    def pay(self, nano: int | None, *, judging: bool) -> None:
        """Count a call that was answered."""
        self.priced = self.priced and nano is not None
        if judging:
            self.judge_calls += 1
            self.judge_nano += nano or 0
        else:
            self.candidate_calls += 1
            self.candidate_nano += nano or 0

    def answered(self) -> None:
        """Somebody is there."""
        self.unanswered = 0

    def missed(self) -> None:
        """Nobody answered a call, though it was tried again."""
        self.unanswered += 1
        if self.unanswered >= self.patience:
            self.stop(Stop.PROVIDER)
