"""What subscribers are told of: each change of the registry is one event, and none holds a text."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from trimtab.control.prompts import Prompts
from trimtab.domain.change import Change, PointerKind, Source
from trimtab.domain.prompt import Place
from trimtab.registry.steps import label_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class EventType(StrEnum):
    """What happened. A move with override is told as that, and not as a move besides."""

    PUBLISHED = "prompt.published"
    LABEL_MOVED = "prompt.label_moved"
    OVERRIDE = "prompt.override"
    YANKED = "prompt.yanked"
    UNYANKED = "prompt.unyanked"


class Subject(Struct, frozen=True, kw_only=True, rename={"was": "from", "now": "to"}):
    """What an event is about. Every member is always written, `null` where it means nothing.

    Attributes:
        version: The version it is about; of a label that points nowhere any more, `None`.
        was: The version that a label pointed at before.
        now: The version that it points at.
        hash: SHA-256 of what the version says, hex.
        change: Id of the change.
        override: Whether a label was moved without what it asks for.
    """

    name: str
    version: str | None
    label: str | None = None
    scope: str | None = None
    was: str | None = None
    now: str | None = None
    hash: str | None
    author: str
    source: Source
    reason: str
    change: str
    seq: int
    override: bool = False


class Event(Struct, frozen=True, kw_only=True):
    """One message. `timestamp` is when the change was made (RFC 3339, UTC)."""

    type: EventType
    timestamp: str
    data: Subject

    @property
    def id(self) -> str:
        """The same at every try, so that a subscriber knows what it has seen."""
        return self.data.change

    def body(self) -> bytes:
        """Write it as JSON, the same bytes at every try."""
        return msgspec.json.encode(self)


def event_of(change: Change, prompts: Prompts) -> Event | None:
    """Tell of a change; `None` if it is none that subscribers are told of.

    Args:
        change: The change.
        prompts: The registry at that change or later; it knows the hashes of versions.
    """
    match change.pointer.kind:
        case PointerKind.PROMPT:
            return _of_version(EventType.PUBLISHED, change, prompts)
        case PointerKind.YANK if change.after is None:
            return _of_version(EventType.UNYANKED, change, prompts)
        case PointerKind.YANK:
            return _of_version(EventType.YANKED, change, prompts)
        case PointerKind.LABEL:
            return _of_label(change, prompts)
        case _:
            return None


def _of_version(what: EventType, change: Change, prompts: Prompts) -> Event:
    name, _, version = change.pointer.name.partition("@")
    return _event(what, change, _subject(change, prompts, name, version))


def _of_label(change: Change, prompts: Prompts) -> Event:
    place = Place(*change.pointer.name.split("/", 2))
    was, now = label_of(change.before), label_of(change.after)
    is_override = now is not None and now.override
    subject = replace(
        _subject(change, prompts, place.name, now and now.version),
        label=place.label,
        scope=place.scope,
        was=was and was.version,
        now=now and now.version,
        override=is_override,
    )
    return _event(EventType.OVERRIDE if is_override else EventType.LABEL_MOVED, change, subject)


def _subject(change: Change, prompts: Prompts, name: str, version: str | None) -> Subject:
    found = None if version is None else prompts.find(name, version)
    return Subject(
        name=name,
        version=version,
        hash=found and found.hash,
        author=change.author,
        source=change.source,
        reason=change.reason,
        change=change.change_id,
        seq=change.seq,
    )


def _event(what: EventType, change: Change, subject: Subject) -> Event:
    at = _EPOCH + timedelta(microseconds=change.ts_us)
    written = at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return Event(type=what, timestamp=written, data=subject)
