"""What moved in the registry, told to those who wait for it."""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from enum import StrEnum

from msgspec import Struct

from trimtab.control.prompts import Prompts
from trimtab.control.snapshot import Snapshot
from trimtab.domain.prompt import Place

MOST_KEPT = 1000


class What(StrEnum):
    """What happened."""

    PUBLISHED = "published"
    MOVED = "moved"
    YANKED = "yanked"
    UNYANKED = "unyanked"


class Happened(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that happened in the registry.

    Attributes:
        seq: Sequence number at which this process knew of it.
        version: The version it is about; of a label that points nowhere any more, `None`.
    """

    seq: int
    what: What
    name: str
    version: str | None = None
    label: str | None = None
    scope: str | None = None


class Feed:
    """Tells what happened between one snapshot and the next.

    State: the last events, the number below which they are forgotten, and who waits.
    """

    def __init__(self) -> None:
        self.seq = 0
        self._prompts: Prompts | None = None
        self._events: deque[Happened] = deque()
        self._since = 0
        self._moved = asyncio.Event()

    def on_change(self, snapshot: Snapshot) -> None:
        """See what a new snapshot brings; the first one is where the feed begins."""
        if self._prompts is None:
            self._since = snapshot.config_seq
        else:
            self._events.extend(happened(self._prompts, snapshot.prompts, snapshot.config_seq))
            while len(self._events) > MOST_KEPT:
                self._since = self._events.popleft().seq
        self.seq, self._prompts = snapshot.config_seq, snapshot.prompts
        self._moved.set()
        self._moved = asyncio.Event()

    def after(self, seq: int) -> Sequence[Happened] | None:
        """Tell what happened after a number; `None` if not all of it is known any more."""
        if seq < self._since or seq > self.seq:
            return None
        return [it for it in self._events if it.seq > seq]

    @property
    def next(self) -> asyncio.Event:
        """What is set with the next snapshot after this instant."""
        return self._moved


def happened(before: Prompts, after: Prompts, seq: int) -> Iterator[Happened]:
    """Tell what differs between two views of the registry."""
    for ref in after.published.keys() - before.published.keys():
        name, _, version = ref.partition("@")
        yield Happened(seq=seq, what=What.PUBLISHED, name=name, version=version)
    for ref in after.yanked.keys() ^ before.yanked.keys():
        name, _, version = ref.partition("@")
        what = What.YANKED if ref in after.yanked else What.UNYANKED
        yield Happened(seq=seq, what=what, name=name, version=version)
    was, now = dict(_pointed(before)), dict(_pointed(after))
    for place in was.keys() | now.keys():
        if was.get(place) != now.get(place):
            yield Happened(
                seq=seq,
                what=What.MOVED,
                name=place.name,
                version=now.get(place),
                label=place.label,
                scope=place.scope,
            )


def _pointed(prompts: Prompts) -> Iterator[tuple[Place, str]]:
    for name, labels in prompts.labels.items():
        for label, scoped in labels.items():
            for scope, pointed in scoped.items():
                yield Place(name, label, scope), pointed.label.version
