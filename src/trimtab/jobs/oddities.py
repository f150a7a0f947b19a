"""The rules about calls that repeat themselves, and about ledger lines that are not right."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from trimtab.control.snapshot import Snapshot
from trimtab.cost.baseline import Terms
from trimtab.cost.oddity import (
    GROWING_CALLS,
    LEAST_CALLS,
    LEAST_EQUAL,
    LOOP_US,
    grows,
    is_often,
    repeats,
)
from trimtab.domain.alert import Finding, Rule
from trimtab.domain.ids import TenantId
from trimtab.jobs.history import today
from trimtab.jobs.spending import amount
from trimtab.store.rollup import HOUR_US
from trimtab.store.spend import About, OddLines, Repeated, SpendReader

IsFree = Callable[[str, str, int], bool]
"""Whether a model of a provider has a price of zero at an instant."""

MOST_CHARS = 64
"""So much of a name that a caller chose is told."""

_WIDTH = {about: place for place, about in enumerate(About)}


@dataclass(frozen=True, slots=True)
class LoopRule:
    """Finds calls of five minutes that are the same again and again, or that read ever more."""

    spend: SpendReader
    current: Callable[[], Snapshot]
    terms: Terms

    async def find(self, now_us: int) -> list[Finding]:
        """Look at the last five minutes of all tenants."""
        since_us = now_us - LOOP_US
        repeated = await self.spend.repeated(
            since_us=since_us, least=LEAST_CALLS, equal=LEAST_EQUAL
        )
        loops = [it for it in repeated if repeats(it.calls, it.equal, it.cost_nano, self.terms)]
        found = {it.subject: it for it in self._repeated(loops, now_us)}
        for it in await self.spend.conversations(since_us=since_us, least=GROWING_CALLS):
            cost = sum(it.costs[-GROWING_CALLS:])
            subject = f"conversation '{it.conversation_id[:MOST_CHARS]}' of key {it.key_id}"
            if grows(it.tokens, cost, self.terms) and subject not in found:
                low, high = it.tokens[-GROWING_CALLS], it.tokens[-1]
                found[subject] = Finding(
                    rule=Rule.LOOP,
                    tenant_id=it.tenant_id,
                    subject=subject,
                    window=self._window(it.tenant_id, now_us),
                    told=f"{GROWING_CALLS} calls in a row read more each time, {low:,} to {high:,}"
                    f" tokens, for {amount(cost)} USD",
                    actual_nano=cost,
                    feature=it.feature,
                    model=it.model,
                    samples=it.requests[-3:],
                )
        return list(found.values())

    def _repeated(self, loops: Sequence[Repeated], now_us: int) -> Iterator[Finding]:
        """Tell of each key once, of the narrowest that its calls have in common."""
        by_key: dict[tuple[str, str], Repeated] = {}
        for it in sorted(loops, key=lambda it: (_WIDTH[it.about], -it.calls)):
            by_key.setdefault((it.tenant_id, it.key_id), it)
        for it in by_key.values():
            what = "" if it.about is About.KEY else f"{it.about} '{it.name[:MOST_CHARS]}' of "
            yield Finding(
                rule=Rule.LOOP,
                tenant_id=it.tenant_id,
                subject=f"{what}key {it.key_id}",
                window=self._window(it.tenant_id, now_us),
                told=f"{it.calls:,} calls in 5 minutes, {it.equal:,} of them the same, for"
                f" {amount(it.cost_nano)} USD",
                actual_nano=it.cost_nano,
                feature=it.feature,
                model=it.model,
                samples=tuple(dict.fromkeys((it.first, it.last))),
            )

    def _window(self, tenant_id: str, now_us: int) -> str:
        return window_of(self.current(), tenant_id, now_us)


@dataclass(frozen=True, slots=True)
class LineRules:
    """Finds lines of the last hour that cost nothing, have no price, or contradict themselves."""

    spend: SpendReader
    current: Callable[[], Snapshot]
    is_free: IsFree

    async def find(self, now_us: int) -> list[Finding]:
        """Look at the last hour of all tenants: one alert for each rule, tenant and model."""
        odd = await self.spend.odd(since_us=now_us - HOUR_US, until_us=now_us + 1)
        groups: defaultdict[tuple[Rule, str, str], list[tuple[OddLines, int]]] = defaultdict(list)
        for it in odd:
            for rule, count in self._odd(it, now_us):
                target = f"{it.provider}/{it.model_sent.partition('!')[0]}"
                groups[rule, it.tenant_id, target].append((it, count))
        return [
            _finding(*key, window_of(self.current(), key[1], now_us), lines)
            for key, lines in groups.items()
        ]

    def _odd(self, it: OddLines, now_us: int) -> Iterator[tuple[Rule, int]]:
        if it.unpriced:
            yield Rule.PRICE_UNKNOWN, it.unpriced
        if it.free and not self.is_free(it.provider, it.model_sent, now_us):
            yield Rule.ZERO_COST, it.free
        if is_often(it.inconsistent, it.lines):
            yield Rule.USAGE_INCONSISTENT, it.inconsistent


def window_of(snapshot: Snapshot, tenant_id: str, now_us: int) -> str:
    """Name the tenant's running day."""
    tenant = snapshot.tenants.get(TenantId(tenant_id))
    return f"day:{today(tenant.timezone if tenant else 'UTC', now_us)}"


_SAID = {
    Rule.PRICE_UNKNOWN: "have no price; add it under `prices.overrides`",
    Rule.ZERO_COST: "used tokens and cost nothing, though the price is not zero",
    Rule.USAGE_INCONSISTENT: "have token counts that contradict each other; the dearer was booked",
}


def _finding(
    rule: Rule, tenant_id: str, target: str, window: str, lines: Sequence[tuple[OddLines, int]]
) -> Finding:
    most = max(lines, key=lambda it: it[1])[0]
    return Finding(
        rule=rule,
        tenant_id=tenant_id,
        subject=target,
        window=window,
        told=f"{sum(count for _, count in lines):,} of {sum(it.lines for it, _ in lines):,} calls"
        f" of {target} in an hour {_SAID[rule]}",
        feature=most.feature,
        model=most.model.partition("!")[0],
        samples=tuple(sorted({it.sample for it, _ in lines})[:3]),
    )
