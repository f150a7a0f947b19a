"""All who judge in one run: the judge, the embedding model, and what they remember."""

from dataclasses import dataclass

from trimtab.evals.cache import Cache
from trimtab.evals.embedder import GatewayEmbedder
from trimtab.evals.judge import Court, GatewayJudge
from trimtab.evals.naming import Tally
from trimtab.evals.result import JudgeSeen


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """See `calling.Judging`."""

    court: Court
    embedder: GatewayEmbedder | None
    cache: Cache
    tally: Tally

    @property
    def remembered(self) -> int:
        """See `Judging.remembered`."""
        return self.tally.remembered

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences for people."""
        if not self.cache.unwritten:
            return self.tally.warnings
        lost = f"{self.cache.unwritten} verdicts could not be kept in '{self.cache.folder}'"
        return (*self.tally.warnings, f"{lost}; look at its disk and its owner")

    def at(self, place: str) -> GatewayJudge:
        """See `Judging.at`."""
        return GatewayJudge(self.court, place)

    def seen(self) -> JudgeSeen:
        """See `Judging.seen`."""
        return JudgeSeen(
            model=self.court.setting.model,
            resolved=", ".join(sorted(self.court.naming.answered)),
            prompts={name: it.version.hash for name, it in self.court.prompts.items()},
            signed=self.cache.signed,
            refused=self.cache.refused.total(),
        )
