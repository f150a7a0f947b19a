"""The change log: everything that decided behaviour, who and why, with undo."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import msgspec
from starlette.responses import Response

from trimtab.console.base import Console, Visit, see_other
from trimtab.console.wire import parsed, pretty
from trimtab.domain.change import Change, PointerKind, read_reason
from trimtab.domain.errors import InvalidRequest, NotFound, SettingsInvalid

PAGE_SIZE = 50
PATH = "/console/changes"
MAX_DIGITS = 18
_MAX_VALUE_CHARS = 40


@dataclass(frozen=True, slots=True)
class Entry:
    """A change with what it did in a few words."""

    change: Change
    summary: str


async def show(visit: Visit) -> Response:
    """List changes, newest first."""
    console, before, done = visit.console, visit.query("before"), visit.query("done")
    changes = await console.control.history(before=read_seq(before), limit=PAGE_SIZE + 1)
    shown = changes[:PAGE_SIZE]
    context = {
        "entries": [Entry(change, summary(change)) for change in shown],
        "older": shown[-1].seq if len(changes) > len(shown) else None,
        "newest": bool(before),
        "done": await find_change(console, read_seq(done)),
    }
    return visit.page("changes.html", context)


async def show_one(visit: Visit, problem: str = "") -> Response:
    """Show one change in full, and what undoing it would do."""
    seq = wanted_seq(visit)
    change = await find_change(visit.console, seq)
    if change is None:
        raise NotFound(f"there is no change {seq}; look at the change log")
    state = await visit.console.control.state()
    now = state.get(change.pointer)
    context = {
        "change": change,
        "summary": summary(change),
        "before": marked_lines(change.before, change.after),
        "after": marked_lines(change.after, change.before),
        "moved_since": now.change.seq if now is not None and now.change.seq != seq else None,
        "problem": problem,
    }
    return visit.page("change.html", context, status=400 if problem else 200)


async def undo(visit: Visit) -> Response:
    """Append the inverse of a change."""
    try:
        reason = read_reason(visit.form.get("reason", ""))
        change = await visit.console.control.undo(
            wanted_seq(visit), reason=reason, author=visit.author, source=visit.source
        )
    except (InvalidRequest, SettingsInvalid) as exc:
        return await show_one(visit, str(exc))
    return see_other(f"{PATH}?done={change.seq}")


async def find_change(console: Console, seq: int | None) -> Change | None:
    """Find a change by its sequence number."""
    if seq is None:
        return None
    found = await console.control.history(before=seq + 1, limit=1)
    return found[0] if found and found[0].seq == seq else None


def summary(change: Change) -> str:
    """Say what a change did to its pointer."""
    before, after = parsed(change.before), parsed(change.after)
    if change.pointer.kind is PointerKind.SUSPENSION:
        slowed = after is not None and "requests_per_minute" in after
        return "resumed" if after is None else "throttled" if slowed else "suspended"
    if change.pointer.kind is PointerKind.BREAKER:
        held = after is not None and after["is_open"]
        return "left to the workers" if after is None else "held open" if held else "closed"
    if before is None:
        return "created"
    if after is None:
        return "removed"
    old, new = dict(_leaves("", before)), dict(_leaves("", after))
    names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    if len(names) > 1:
        return f"changed {', '.join(names)}"
    return "".join(f"{n}: {_short(old.get(n))} → {_short(new.get(n))}" for n in names)


def marked_lines(value: bytes | None, other: bytes | None) -> tuple[tuple[bool, str], ...]:
    """Write a value as lines of JSON, each with whether the other value lacks it."""
    if value is None:
        return ()
    known = set(_lines(other)) if other is not None else set[str]()
    return tuple((other is not None and line not in known, line) for line in _lines(value))


def _lines(value: bytes) -> list[str]:
    return [line.rstrip(",") for line in pretty(parsed(value)).splitlines()]


def _leaves(path: str, value: object) -> Iterator[tuple[str, object]]:
    """Walk the members of a JSON value that hold no members themselves."""
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        for name, member in members.items():
            yield from _leaves(f"{path}.{name}" if path else name, member)
    else:
        yield path, value


def _short(value: object) -> str:
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= _MAX_VALUE_CHARS else f"{text[:_MAX_VALUE_CHARS]}…"


def read_seq(text: str) -> int | None:
    """Read a sequence number from a URL; `None` if it is not one."""
    is_number = text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS
    return int(text) if is_number else None


def wanted_seq(visit: Visit) -> int:
    """Read the sequence number that a path names. Raises `NotFound` if it names none."""
    seq = read_seq(visit.param("seq"))
    if seq is None:
        raise NotFound(f"'{visit.param('seq')}' is not a change; look at the change log")
    return seq
