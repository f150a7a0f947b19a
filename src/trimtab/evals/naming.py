"""Which model answers under a name: part of the key of whatever it answers.

A freezer says so by configuration. Of any other name one probe a run asks it, and its answer is
compared with that of the run before.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from trimtab.domain.model import Model, ModelKind, read_target, undated
from trimtab.evals.cache import Cache
from trimtab.evals.calling import Reply
from trimtab.evals.flight import SingleFlight

Probe = Callable[[], Awaitable[str]]
"""Asks a model for next to nothing, and tells which one answered."""


def pinned(name: str, models: Mapping[str, Model]) -> str | None:
    """Tell by configuration which dated model a name means; `None` if that may change."""
    target = read_target(name)
    model = models.get(name)
    if model is None and target is not None:
        model = Model(name=name, kind=ModelKind.FREEZER, to=target)
    if model is None or model.kind is not ModelKind.FREEZER or len(model.targets) > 1:
        return None
    return None if undated(replace(model, undated_ok=None)) else str(model.to)


def answered_by(reply: Reply, model: str) -> str:
    """Name who answered: the provider, and the model as its answer names it."""
    provider, _, target = (reply.model or "").partition("/")
    return f"{provider}/{model.removeprefix(f'{provider}/') or target}"


@dataclass(slots=True)
class Tally:
    """What judging met, for the report of a run. State: all that was met in one.

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


@dataclass(slots=True, kw_only=True)
class Naming:
    """Finds out who answers under a name. State: who does, once it is known.

    Attributes:
        name: What is asked for.
        known: Who answers, as `provider/model`; `None` until it is known.
        answered: All who did.
    """

    name: str
    known: str | None
    cache: Cache
    tally: Tally
    answered: set[str] = field(default_factory=set[str])
    _flight: SingleFlight[str] = field(default_factory=SingleFlight[str])

    async def resolved(self, probe: Probe) -> str:
        """Tell who answers. Raises `JudgeError` if nobody does."""
        if self.known is None:
            self.known = await self._flight.once("", probe)
            self._probed(self.known)
        return self.known

    def said(self, by: str) -> str:
        """Tell whose answer it is; one of another model than expected belongs to that one."""
        known = self.known or by
        if _is_same(known, by):
            self.answered.add(known)
            return known
        self.answered.add(by)
        self.tally.warn(
            f"'{by}' answered for '{self.name}', where '{known}' was expected; what it said is"
            " remembered as its own"
        )
        return by

    def _probed(self, model: str) -> None:
        self.tally.warn(
            f"'{self.name}' is no freezer of a dated model and now is '{model}'; name one, so that"
            " verdicts stay comparable"
        )
        before = self.cache.moved(self.name, model)
        if before is not None:
            self.tally.warn(
                f"'{self.name}' was '{before}' before and now is '{model}': what it said before is"
                " not used"
            )


def _is_same(known: str, by: str) -> bool:
    """Whether an answer is of a model; it may name it without vendor, date and version."""
    asked, answered = known.partition("/"), by.partition("/")
    if answered[0] not in ("", asked[0]):
        return False
    name = re.escape(answered[2])
    date, version = r"(?:[-@][\d-]+)?", r"(?:[-@:]v?[\d:]+)?"
    return not name or re.fullmatch(rf"(?:.*[./:])?{name}{date}{version}", asked[2]) is not None
