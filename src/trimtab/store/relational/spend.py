"""Reading what was spent from the records of whatever engine, while keepers write them."""

import json
from collections.abc import Collection
from itertools import groupby
from typing import Any

from trimtab.store.relational.dialect import Values
from trimtab.store.relational.reading import Reading
from trimtab.store.spend import About, Conversation, OddLines, PartSpent, Repeated, Spent


class Spend:
    """`store.spend.SpendReader` over the records of an engine."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._sql = reading.dialect.spend()

    async def days(self, *, since_us: int, until_us: int) -> tuple[Spent, ...]:
        """See `SpendReader.days`."""
        return tuple(Spent(*row) for row in await self._rows("days", since_us, until_us))

    async def hours(self, hours: Collection[int]) -> tuple[Spent, ...]:
        """See `SpendReader.hours`."""
        return tuple(Spent(*row) for row in await self._rows("hours", _listed(hours)))

    async def parts_of_days(self, tenant_id: str, days: Collection[int]) -> tuple[PartSpent, ...]:
        """See `SpendReader.parts_of_days`."""
        rows = await self._rows("parts_of_days", _listed(days), tenant_id)
        return tuple(PartSpent(*row) for row in rows)

    async def parts_of_hours(self, tenant_id: str, hours: Collection[int]) -> tuple[PartSpent, ...]:
        """See `SpendReader.parts_of_hours`."""
        rows = await self._rows("parts_of_hours", _listed(hours), tenant_id)
        return tuple(PartSpent(*row) for row in rows)

    async def largest(
        self,
        tenant_id: str,
        *,
        since_us: int,
        until_us: int,
        feature: str | None = None,
        model: str | None = None,
        limit: int = 3,
    ) -> tuple[str, ...]:
        """See `SpendReader.largest`."""
        asked = {
            "tenant_id": tenant_id,
            "since_us": since_us,
            "until_us": until_us,
            "feature": feature,
            "model": model,
            "most": limit,
        }
        rows = await self._kept("largest", asked)
        return tuple(request_id for (request_id,) in rows)

    async def repeated(self, *, since_us: int, least: int, equal: int) -> tuple[Repeated, ...]:
        """See `SpendReader.repeated`."""
        rows = await self._kept("repeated", {"since_us": since_us, "least": least, "equal": equal})
        made = [Repeated(*row)._replace(about=About(row[2]), model=_plain(row[8])) for row in rows]
        return tuple(made)

    async def conversations(self, *, since_us: int, least: int) -> tuple[Conversation, ...]:
        """See `SpendReader.conversations`."""
        rows = await self._kept("conversations", {"since_us": since_us, "least": least})
        return tuple(_conversation(list(calls)) for _, calls in groupby(rows, lambda row: row[:3]))

    async def odd(self, *, since_us: int, until_us: int) -> tuple[OddLines, ...]:
        """See `SpendReader.odd`."""
        rows = await self._named("odd", {"since_us": since_us, "until_us": until_us})
        return tuple(OddLines(*row) for row in rows)

    async def _rows(self, name: str, *values: str | int | None) -> list[tuple[Any, ...]]:
        return await self._named(name, values)

    async def _kept(self, name: str, values: Values) -> list[tuple[Any, ...]]:
        return await self._reading.kept(lambda it: it.execute(self._sql[name], values).fetchall())

    async def _named(self, name: str, values: Values) -> list[tuple[Any, ...]]:
        return await self._reading.do(lambda it: it.execute(self._sql[name], values).fetchall())


def _listed(buckets: Collection[int]) -> str:
    return json.dumps(sorted(buckets))


def _conversation(calls: list[tuple[Any, ...]]) -> Conversation:
    tenant_id, key_id, conversation_id, feature, model, *_ = calls[-1]
    return Conversation(
        *(tenant_id, key_id, conversation_id, feature, _plain(model)),
        tokens=tuple(row[5] for row in calls),
        costs=tuple(row[6] for row in calls),
        requests=tuple(row[7] for row in calls),
    )


def _plain(model: str) -> str:
    """Leave out what asks a simulator for a fault."""
    return model.partition("!")[0]
