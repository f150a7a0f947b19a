"""The reference implementation of `store.spend`: adds up the records themselves."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from trimtab.domain.record import LedgerLine, Origin, RequestRecord
from trimtab.store.base.reading import RecordFilter
from trimtab.store.base.recording import StoredRecord
from trimtab.store.memory.records import MemoryRecords
from trimtab.store.rollup import DAY_US, HOUR_US
from trimtab.store.spend import About, Conversation, OddLines, PartSpent, Repeated, Spent

_EVERYTHING = 1 << 30
_ABOUT: Mapping[About, Callable[[RequestRecord], str | None]] = {
    About.CONVERSATION: lambda it: it.conversation_id,
    About.END_USER: lambda it: it.user_hash,
    About.PROMPT: lambda it: it.prompt_hash,
    About.KEY: lambda it: it.key_id,
}
_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True)
class MemorySpend:
    """`store.spend.SpendReader` over records in memory."""

    records: MemoryRecords

    async def days(self, *, since_us: int, until_us: int) -> tuple[Spent, ...]:
        """See `SpendReader.days`."""
        sums: Counter[tuple[str, int]] = Counter()
        for stored in await self._priced():
            for line in stored.lines:
                if since_us <= _day_us(line) < until_us:
                    sums[line.tenant_id, _day_us(line)] += line.cost_nano or 0
        return tuple(Spent(*key, cost) for key, cost in sorted(sums.items()) if cost)

    async def hours(self, hours: Collection[int]) -> tuple[Spent, ...]:
        """See `SpendReader.hours`."""
        sums: Counter[tuple[str, int]] = Counter()
        for stored in await self._priced():
            if _hour_us(stored) in hours:
                sums[stored.record.tenant_id, _hour_us(stored)] += _cost(stored)
        return tuple(Spent(*key, cost) for key, cost in sorted(sums.items()) if cost)

    async def parts_of_days(self, tenant_id: str, days: Collection[int]) -> tuple[PartSpent, ...]:
        """See `SpendReader.parts_of_days`."""
        sums: Counter[tuple[str, str]] = Counter()
        for stored in await self._priced():
            for line in stored.lines:
                if line.tenant_id == tenant_id and _day_us(line) in days:
                    sums[line.feature, _model(stored.record)] += line.cost_nano or 0
        return _parts(sums)

    async def parts_of_hours(self, tenant_id: str, hours: Collection[int]) -> tuple[PartSpent, ...]:
        """See `SpendReader.parts_of_hours`."""
        sums: Counter[tuple[str, str]] = Counter()
        for stored in await self._priced():
            if stored.record.tenant_id == tenant_id and _hour_us(stored) in hours:
                sums[stored.record.feature, _model(stored.record)] += _cost(stored)
        return _parts(sums)

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
        records = await self._live(since_us, until_us)
        found = [
            it
            for it in (stored.record for stored in records)
            if it.tenant_id == tenant_id
            and (it.cost_nano or 0) > 0
            and feature in (None, it.feature)
            and model in (None, _model(it))
        ]
        found.sort(key=lambda it: (-(it.cost_nano or 0), it.request_id))
        return tuple(it.request_id for it in found[:limit])

    async def repeated(self, *, since_us: int, least: int, equal: int) -> tuple[Repeated, ...]:
        """See `SpendReader.repeated`."""
        recent = [it for it in await self._live(since_us) if _sent(it)]
        sent = Counter((it.record.tenant_id, it.record.key_id, _sent(it)) for it in recent)
        hot = {(tenant_id, key_id) for (tenant_id, key_id, _), n in sent.items() if n >= equal}
        calls = [it for it in recent if (it.record.tenant_id, it.record.key_id) in hot]
        groups = _grouped(
            ((it.record.tenant_id, it.record.key_id, about, name), it)
            for it in calls
            for about, name_of in _ABOUT.items()
            if (name := name_of(it.record)) is not None
        )
        return tuple(
            _repeated(key, found) for key, found in sorted(groups.items()) if len(found) >= least
        )

    async def conversations(self, *, since_us: int, least: int) -> tuple[Conversation, ...]:
        """See `SpendReader.conversations`."""
        calls = [it.record for it in await self._live(since_us)]
        calls.sort(key=lambda it: (it.ts_us, it.request_id))
        groups = _grouped(
            ((it.tenant_id, it.key_id, it.conversation_id), it)
            for it in calls
            if it.conversation_id is not None and it.input_tokens is not None
        )
        return tuple(
            Conversation(
                *key,
                feature=found[-1].feature,
                model=_model(found[-1]),
                tokens=tuple(it.input_tokens or 0 for it in found),
                costs=tuple(it.cost_nano or 0 for it in found),
                requests=tuple(it.request_id for it in found),
            )
            for key, found in sorted(groups.items())
            if len(found) >= least
        )

    async def odd(self, *, since_us: int, until_us: int) -> tuple[OddLines, ...]:
        """See `SpendReader.odd`."""
        groups = _grouped(
            (
                (it.tenant_id, it.feature, it.model_requested, it.provider, it.model_sent),
                (stored, it),
            )
            for stored in await self._all()
            for it in stored.lines
            if since_us <= it.ts_us < until_us and it.origin == Origin.LIVE
        )
        return tuple(
            OddLines(
                *key,
                lines=len(found),
                unpriced=sum(it.cost_nano is None for _, it in found),
                free=sum(_is_free(it) for _, it in found),
                inconsistent=sum(_is_inconsistent(it) for _, it in found),
                sample=min(stored.record.request_id for stored, it in found if _is_odd(it)),
            )
            for key, found in sorted(groups.items())
            if any(_is_odd(it) for _, it in found)
        )

    async def _priced(self) -> list[StoredRecord]:
        return [it for it in await self._live() if it.record.model_kind and _model(it.record)]

    async def _live(self, since_us: int = 0, until_us: int = 1 << 62) -> list[StoredRecord]:
        stored = await self._all()
        spans = [it for it in stored if since_us <= it.record.ts_us < until_us]
        return [it for it in spans if it.record.origin == Origin.LIVE]

    async def _all(self) -> list[StoredRecord]:
        page = await self.records.page(RecordFilter(), limit=_EVERYTHING)
        found = [await self.records.find(it.request_id) for it in page]
        return [it for it in found if it is not None]


def _grouped(pairs: Iterable[tuple[_K, _V]]) -> dict[_K, list[_V]]:
    groups: defaultdict[_K, list[_V]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return groups


def _repeated(key: tuple[str, str, About, str], found: list[StoredRecord]) -> Repeated:
    bodies = _grouped((_sent(it), it.record) for it in found)
    most = max(bodies.values(), key=len)
    ids = [it.request_id for it in most]
    return Repeated(
        *key,
        calls=len(found),
        equal=len(most),
        cost_nano=sum(it.record.cost_nano or 0 for it in found),
        feature=max(it.feature for it in most),
        model=max(_model(it) for it in most),
        first=min(ids),
        last=max(ids),
    )


def _parts(sums: Counter[tuple[str, str]]) -> tuple[PartSpent, ...]:
    return tuple(PartSpent(*key, cost) for key, cost in sorted(sums.items()) if cost)


def _day_us(line: LedgerLine) -> int:
    if not line.day_local:
        return line.ts_us - line.ts_us % DAY_US
    return round(datetime.fromisoformat(f"{line.day_local}T00:00+00:00").timestamp() * 1e6)


def _hour_us(stored: StoredRecord) -> int:
    return stored.record.ts_us - stored.record.ts_us % HOUR_US


def _cost(stored: StoredRecord) -> int:
    return sum(it.cost_nano or 0 for it in stored.lines)


def _sent(stored: StoredRecord) -> str:
    return next((it.sent_hash for it in stored.attempts if it.n == 1), "")


def _model(record: RequestRecord) -> str:
    return record.model_requested.partition("!")[0]


def _is_free(line: LedgerLine) -> bool:
    used = (line.input_tokens or 0) + (line.output_tokens or 0)
    return line.cost_nano == 0 and used > 0


def _is_inconsistent(line: LedgerLine) -> bool:
    return "usage_inconsistent" in line.flags


def _is_odd(line: LedgerLine) -> bool:
    return line.cost_nano is None or _is_free(line) or _is_inconsistent(line)
