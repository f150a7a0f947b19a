"""Another price list over the shipped one: the models whose rows differ, and nothing else.

It is the value of the pointer `prices/list`, so that whoever moves it says why, every worker
prices by it from then on, and it can be undone. A model is taken whole: rows of two lists never
follow one another in time.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from trimtab.cost.lock import Lock, Row, build_lock
from trimtab.domain.errors import SettingsInvalid

_MODEL = re.compile(r"[#?]")


class Applied(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What differs from a shipped list.

    Attributes:
        source: Where the other list is from.
        base: Price version of the shipped list it was compared with.
        models: All rows of each model that differs, by `provider/model`; none if it is gone.
    """

    source: str
    base: str
    models: dict[str, tuple[Row, ...]]


def model_of(row: Row) -> str:
    """Name the model of a row, as `provider/model`."""
    return _MODEL.split(row.id, maxsplit=1)[0]


def differing(shipped: Lock, other: Lock) -> Applied:
    """Tell what must be laid over the shipped list to have the other one."""
    old, new = _by_model(shipped), _by_model(other)
    return Applied(
        source=other.source,
        base=shipped.price_version,
        models={
            model: new.get(model, ())
            for model in sorted(old.keys() | new.keys())
            if _undated(old.get(model, ())) != _undated(new.get(model, ()))
        },
    )


def lay_over(shipped: Lock, value: Mapping[str, Any]) -> Lock:
    """Lay the value of the pointer over the shipped list; an empty one leaves it as it is.

    Raises:
        SettingsInvalid: the value is no such list.
    """
    if not value:
        return shipped
    try:
        applied = msgspec.convert(value, Applied)
    except msgspec.ValidationError as exc:
        raise SettingsInvalid(
            f"the applied price list cannot be read: {exc}; undo the change of 'prices/list'"
        ) from exc
    kept = [row for row in shipped.rows if model_of(row) not in applied.models]
    added = [row for rows in applied.models.values() for row in rows]
    return build_lock(applied.source, [*kept, *added])


def _by_model(lock: Lock) -> Mapping[str, tuple[Row, ...]]:
    rows: defaultdict[str, tuple[Row, ...]] = defaultdict(tuple)
    for row in lock.rows:
        rows[model_of(row)] += (row,)
    return rows


def _undated(rows: tuple[Row, ...]) -> list[Row]:
    """Leave out the day of the last look: it changes no price."""
    return [replace(row, checked="") for row in rows]
