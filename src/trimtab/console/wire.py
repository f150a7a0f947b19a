"""Stored values as JSON, for people and programs: refs in hex, values of changes as JSON."""

import msgspec
from msgspec import Raw

from trimtab.domain.change import Change
from trimtab.domain.keys import without_hashes
from trimtab.domain.record import RequestRecord
from trimtab.store.base.recording import StoredRecord


def pretty(value: object) -> str:
    """Write a value as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def record_members(record: RequestRecord) -> dict[str, object]:
    """Write a record with its refs in hex, as `trimtab trace --json` does."""
    members: dict[str, object] = msgspec.to_builtins(record, builtin_types=(bytes,))
    return {n: v.hex() if isinstance(v, bytes) else v for n, v in members.items()}


def stored_members(stored: StoredRecord) -> dict[str, object]:
    """Write a record with its parts."""
    return {
        "record": record_members(stored.record),
        "detail": stored.detail,
        "attempts": stored.attempts,
        "lines": stored.lines,
    }


def change_members(change: Change) -> dict[str, object]:
    """Write a change with its values as JSON instead of text, hashes of keys cut short."""
    return {
        "seq": change.seq,
        "change_id": change.change_id,
        "ts_us": change.ts_us,
        "pointer": str(change.pointer),
        "before": None if change.before is None else Raw(without_hashes(change.before)),
        "after": None if change.after is None else Raw(without_hashes(change.after)),
        "author": change.author,
        "source": change.source,
        "reason": change.reason,
        "hash": change.hash,
    }


def parsed(value: bytes | None) -> dict[str, object] | None:
    """Read a value of the change log, which is always an object; `None` is absent.

    Hashes of keys are cut short.
    """
    if value is None:
        return None
    return msgspec.json.decode(without_hashes(value), type=dict[str, object])
