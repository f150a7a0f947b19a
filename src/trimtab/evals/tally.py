"""What judging met, for the report of a run."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """State: what was met in one run.

    Attributes:
        remembered: Answers that needed no call.
    """

    remembered: int = 0
    _warnings: dict[str, None] = field(default_factory=dict[str, None])

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences for people, each once."""
        return tuple(self._warnings)

    def warn(self, sentence: str) -> None:
        """Take down a sentence."""
        self._warnings[sentence] = None
