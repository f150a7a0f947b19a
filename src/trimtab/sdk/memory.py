"""What a client holds, and how sure it is of it.

A poll that finds nothing new makes everything held as good as new. What it finds moved is doubted:
it is still served if nothing better comes, and its age grows from when it was last known right.
"""

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from trimtab.sdk.answers import Answer, Edition, Place
from trimtab.sdk.prompt import Source
from trimtab.sdk.registry import News

FORGOTTEN_S = 3600.0
"""What nobody rendered for this long is asked for when it is needed again."""

LAGS_S = 5.0
"""How far one worker of a registry may be behind another."""

_YANKS = frozenset({"yanked", "unyanked"})


@dataclass(frozen=True, slots=True)
class Held:
    """An edition for a place.

    Attributes:
        source: Where it came from; what is not live waits for something better.
        asked_s: When the registry, or the disk, was asked for it.
        good_s: When it was known to be right; `None` if nobody knows.
        doubted: Whether news no longer make it good.
    """

    edition: Edition
    scope: str | None
    source: Source
    asked_s: float
    good_s: float | None
    doubted: bool = False


class Memory:
    """State: editions by place, the cursor in the log, and when that moved and news came last."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._held: dict[Place, Held] = {}
        self._used_s: dict[Place, float] = {}
        self._good_s = float("-inf")
        self._moved_s = float("-inf")
        self.cursor: int | None = None

    def __bool__(self) -> bool:
        return bool(self._held)

    def after_fork(self) -> None:
        """Have locks that no thread of the parent holds."""
        self._changed = threading.Condition()

    def get(self, place: Place, now_s: float) -> Held | None:
        """Give what is held; takes no lock."""
        held = self._held.get(place)
        if held is not None:
            self._used_s[place] = now_s
        return held

    def age_s(self, place: Place, held: Held, now_s: float) -> float | None:
        """Tell how long ago it was known to be right; a version is right for ever."""
        if place.version is not None:
            return 0.0
        if held.good_s is None:
            return None
        good_s = held.good_s if held.doubted else max(held.good_s, self._good_s)
        return max(0.0, now_s - good_s)

    def edition(self, name: str, version: str) -> Edition | None:
        """Give an edition, wherever it is held."""
        for place, held in tuple(self._held.items()):
            if place.name == name and held.edition.version.version == version:
                return held.edition
        return None

    def learn(self, place: Place, edition: Edition, answer: Answer, asked_s: float) -> Held:
        """Hold what a registry said, unless it knew less than what is held."""
        config_seq = answer.config_seq or 0
        with self._changing():
            behind = place.label is not None and config_seq < (self.cursor or 0)
            before = self._held.get(place)
            if behind and before is not None and before.source is Source.LIVE:
                return before
            if place.label is not None and self.cursor is None:
                self.cursor, self._moved_s = config_seq, asked_s
            held = Held(edition, answer.scope, Source.LIVE, asked_s, asked_s, doubted=behind)
            self._put(place, held, asked_s)
            return held

    def make_do(self, place: Place, held: Held) -> Held:
        """Hold what was found elsewhere, unless the registry has answered by now."""
        with self._changing():
            before = self._held.get(place)
            if before is not None and before.source is Source.LIVE:
                return before
            self._put(place, held, held.asked_s)
            return held

    def drop(self, place: Place) -> None:
        """Hold it no longer."""
        with self._changing():
            self._held.pop(place, None)
            self._used_s.pop(place, None)

    def hear(self, news: News, asked_s: float) -> bool:
        """Doubt what news are about; the rest is as good as when they were asked for.

        Returns whether the registry knows at least what it knew before. If it does not, nothing it
        says counts: see `knows_less`.
        """
        with self._changing():
            cursor = self.cursor or 0
            if news.config_seq < cursor:
                return False
            for place, held in self._held.items():
                if news.reset or _about(news, place):
                    good_s = self.good_since(held)
                    self._held[place] = replace(held, good_s=good_s, doubted=True)
            self.cursor = max(news.config_seq, *(it.seq for _, it in news.events), cursor)
            if self.cursor > cursor:
                self._moved_s = asked_s
            self._good_s = max(self._good_s, asked_s)
            return True

    def knows_less(self, now_s: float) -> bool:
        """Whether a registry that is behind was restored from a backup, or is another one.

        Where there are several workers, one may be behind another, but not for long.
        """
        return now_s - self._moved_s > LAGS_S

    def lags(self, told: int) -> bool:
        """Whether somebody knows more: of a change, or where a label that moved is now."""
        with self._changed:
            doubted = any(held.doubted for held in self._held.values())
        return doubted or (self.cursor or 0) < told

    def good_since(self, held: Held) -> float | None:
        """Tell when a label was last known to be right."""
        if held.doubted or held.good_s is None:
            return held.good_s
        return max(held.good_s, self._good_s)

    def due(self, now_s: float, most_s: float) -> Sequence[Place]:
        """Name what is doubted or was not asked for in so long, what was used last first."""
        with self._changed:
            for place in [it for it, at_s in self._used_s.items() if now_s - at_s > FORGOTTEN_S]:
                self._held.pop(place, None)
                del self._used_s[place]
            due = [
                place
                for place, held in self._held.items()
                if held.doubted or (place.label is not None and now_s - held.asked_s > most_s)
            ]
            return sorted(due, key=lambda it: -self._used_s.get(it, 0.0))

    def notify(self) -> None:
        """Have those who wait look again."""
        with self._changing():
            return

    def wait(self, until: Callable[[], bool], most_s: float) -> None:
        """Wait for a change that makes something true."""
        with self._changed:
            self._changed.wait_for(until, most_s)

    def _put(self, place: Place, held: Held, now_s: float) -> None:
        self._held[place] = held
        self._used_s.setdefault(place, now_s)

    @contextmanager
    def _changing(self) -> Generator[None]:
        with self._changed:
            yield
            self._changed.notify_all()


def _about(news: News, place: Place) -> bool:
    """Whether news may change what a place leads to."""
    for kind, event in news.events:
        if event.name != place.name:
            continue
        if kind == "moved" and place.label is not None and event.label == place.label:
            return True
        if kind in _YANKS and place.version is not None and event.version == place.version:
            return True
    return False
