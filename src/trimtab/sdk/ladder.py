"""Where a text comes from: the registry, else the disk, else `prompts.lock`. All of this waits.

What the registry says for good (no such prompt, blocked) is final and no lower rung is tried;
everything else that goes wrong there is a reason to step down.
"""

import logging
from dataclasses import dataclass, field
from typing import Any

from trimtab.domain.clock import Clock
from trimtab.domain.errors import (
    PromptUnavailable,
    Refused,
    TryLater,
    VersionBlocked,
    VersionCorrupt,
)
from trimtab.domain.prompt import PromptVersion
from trimtab.sdk.answers import Answer, Edition, Place, verified
from trimtab.sdk.disk import Disk, Saved
from trimtab.sdk.lock import Lock
from trimtab.sdk.memory import Held, Memory
from trimtab.sdk.prompt import Source
from trimtab.sdk.registry import Registry, RenderedThere

AWAY_S = 1.0
"""How long after a failure the lower rungs are tried first, so that not every caller waits."""

CHECKED_ANYWAY_S = 300.0
"""A label is asked for again after this long, whatever the news say: scopes may follow tenants."""

_log = logging.getLogger("trimtab.sdk")


@dataclass(slots=True)
class Ladder:
    """State: its memory; when it asked for news and when that failed; what is known to be blocked.

    Attributes:
        polled_s: When the last question for news was asked that is answered, or given up.
        told: Up to which change somebody said there are news.
    """

    registry: Registry
    memory: Memory
    disk: Disk | None
    lock: Lock | None
    clock: Clock
    max_stale_s: float
    polled_s: float = field(default=float("-inf"), init=False)
    told: int = field(default=0, init=False)
    _failed_s: float = field(default=float("-inf"), init=False)
    _blocked: set[Place] = field(default_factory=set[Place], init=False)
    _away: bool = field(default=False, init=False)

    def climb(self, place: Place) -> Held:
        """Find what is not in memory, and hold it there.

        Raises:
            PromptNotFound, VersionBlocked, NotAVersion: the registry says so.
            PromptUnavailable: nobody has it.
        """
        if self.clock.monotonic_s() - self._failed_s < AWAY_S:
            found = self.below(place)
            if found is not None:
                return found
        try:
            return self._live(place)
        except (TryLater, VersionCorrupt) as exc:
            self._failed_s = self.clock.monotonic_s()
            found = self.below(place)
            if found is None:
                raise self.nobody(place, exc) from exc
            _log.warning(
                "prompt '%s' comes from the %s as %s, hash %s: %s",
                *(place.ref, found.source, found.edition.version.ref),
                *(found.edition.version.short_hash, exc),
            )
            return found

    def below(self, place: Place) -> Held | None:
        """Find it without the registry, and hold it until that answers."""
        if place in self._blocked:
            return None
        held = self._from_disk(place) or self._from_lock(place)
        return None if held is None else self.memory.make_do(place, held)

    def nobody(self, place: Place, why: Exception | None = None) -> Refused | TryLater:
        """Say that nobody has it."""
        if place in self._blocked:
            return VersionBlocked(f"'{place.ref}' is blocked; use another version")
        return PromptUnavailable(
            f"nobody has the prompt '{place.ref}': {why or 'the registry is slow'}, and neither the"
            " disk nor the lock has it; write `prompts.lock` and give it to the client"
        )

    def refresh(self) -> bool:
        """Ask for news, and again for what they are about; tells whether to ask again soon.

        One worker of a registry may not know yet what another has told.
        """
        started_s = self.clock.monotonic_s()
        try:
            heard = self._heard(started_s)
            most_s = CHECKED_ANYWAY_S if heard else self.max_stale_s / 2
            for place in self.memory.due(started_s, most_s):
                self._again(place)
            if heard:
                self._arrived()
        except (TryLater, VersionCorrupt) as exc:
            self._missed(exc)
        finally:
            self.polled_s = started_s
            self.memory.notify()
        return not self._away and self.memory.lags(self.told)

    def render_there(self, version: PromptVersion, question: dict[str, Any]) -> RenderedThere:
        """Have the registry render what only it can.

        Raises:
            PromptVariablesInvalid, VersionBlocked: the registry says so.
            PromptUnavailable: it does not answer, or not for that text.
        """
        rendered = self.registry.render(version.name, question)
        if rendered.hash is not None and rendered.hash != version.hash:
            raise PromptUnavailable(
                f"the registry rendered another text than that of '{version.ref}', hash"
                f" '{version.short_hash}'; ask again"
            )
        return rendered

    def _heard(self, now_s: float) -> bool:
        """Ask for news; without them labels have to be asked for one by one."""
        try:
            if self.memory.hear(self.registry.news(self.memory.cursor or 0), now_s):
                return True
            if self.memory.knows_less(now_s):
                raise PromptUnavailable(
                    "the prompt registry knows less than before; it was restored, or is another one"
                )
        except TryLater as exc:
            self._missed(exc)
        return False

    def _again(self, place: Place) -> None:
        try:
            self._live(place)
        except Refused as exc:
            _log.warning("prompt '%s' is gone: %s", place.ref, exc)
            self.memory.drop(place)

    def _live(self, place: Place) -> Held:
        asked_s, asked_us = self.clock.monotonic_s(), self.clock.now_us()
        try:
            answer = self.registry.answer(place)
        except Refused as exc:
            if isinstance(exc, VersionBlocked):
                self._blocked.add(place)
            if self.disk is not None:
                self.disk.drop(place)
            raise
        edition = self._checked(answer, place)
        self._blocked.discard(place)
        before = self.memory.get(place, asked_s)
        held = self.memory.learn(place, edition, answer, asked_s)
        if held is before:
            return held
        if before is None or before.edition is not edition:
            _log.info(
                "prompt '%s' is %s, hash %s", place.ref, edition.version.ref, edition.version.hash
            )
        if answer.yanked:
            _log.warning("prompt '%s' was yanked; move on", edition.version.ref)
        self._save(Saved(place, answer, asked_us))
        return held

    def _checked(self, answer: Answer, place: Place) -> Edition:
        """Verify an answer, and that the version is what it was before: it never changes."""
        known = self.memory.edition(answer.name, answer.version)
        locked = None if self.lock is None else self.lock.hash_of(answer.name, answer.version)
        for had in (locked, None if known is None else known.version.hash):
            if had is not None and had != answer.hash:
                raise VersionCorrupt(
                    f"the registry's '{answer.name}@{answer.version}' is not what was published"
                    f" before, hash '{had[:12]}'; ask who changed it"
                )
        edition = verified(answer, place)
        return edition if known is None else known

    def _from_disk(self, place: Place) -> Held | None:
        saved = None if self.disk is None else self.disk.load(place)
        if saved is None:
            return None
        try:
            edition = self._checked(saved.answer, place)
        except (TryLater, VersionCorrupt) as exc:
            _log.warning("the disk's '%s' is not used: %s", place.ref, exc)
            return None
        now_s = self.clock.monotonic_s()
        age_s = (self.clock.now_us() - saved.good_us) / 1e6
        # Somebody set the clock back: nobody knows how old it is.
        good_s = None if age_s < 0 else now_s - age_s
        return Held(edition, saved.answer.scope, Source.DISK, now_s, good_s, doubted=True)

    def _from_lock(self, place: Place) -> Held | None:
        edition = None if self.lock is None else self.lock.find(place)
        if edition is None:
            return None
        scope = None if place.label is None else "default"
        now_s = self.clock.monotonic_s()
        return Held(edition, scope, Source.BUNDLED, now_s, None, doubted=True)

    def _save(self, saved: Saved) -> None:
        try:
            if self.disk is not None:
                self.disk.save(saved)
        except OSError as exc:
            _log.warning("prompt '%s' cannot be kept on disk: %s", saved.place.ref, exc)

    def _arrived(self) -> None:
        if self._away:
            _log.info("the prompt registry answers again")
        self._away = False

    def _missed(self, exc: Exception) -> None:
        """Tell once, and not at every poll."""
        if not self._away:
            _log.warning("prompts are not kept fresh: %s", exc)
        self._away = True
