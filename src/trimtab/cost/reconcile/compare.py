"""Our ledger held against what providers tell: pure, so that the same inputs find the same.

Tokens come first, for they are exact; then money. Every difference gets one class with evidence.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256
from itertools import combinations

from trimtab.cost.reconcile.report import Class, Finding, PriceChange, Report
from trimtab.cost.reconcile.sides import NOTHING, Side, Sides, our_side, summed, their_side
from trimtab.cost.reconcile.statement import Ownership, Place, Statement, TokenClass
from trimtab.domain.adjustment import Adjustment
from trimtab.domain.money import NANO_PER_USD, usd_text
from trimtab.store.base.ledger import Billed
from trimtab.store.rollup import DAY_US, midnight_us

SETTLED_US = 3 * DAY_US
"""Older than this a provider's rows do not come late any more."""

TOKENS, TOKEN_SHARE = 1_000, 1_000
NANO, MONEY_SHARE = NANO_PER_USD, 200
"""Differences up to so many, or one in so many, are within tolerance."""

_FACTORS = (100, 1_000)
_MOST_NAMES = 6
_MILLION = 1_000_000

Prices = Callable[[str, str, int], Mapping[TokenClass, int]]
"""Gives what the list says for a provider, a model and an instant, in nano-USD per million."""


def no_prices(_provider: str, _model: str, _at_us: int) -> Mapping[TokenClass, int]:
    """Know no price."""
    return {}


def compare(
    ours: Iterable[Billed],
    theirs: Sequence[Statement],
    owned: Mapping[str, Ownership],
    days: Collection[str],
    *,
    now_us: int,
    prices: Prices = no_prices,
) -> Report:
    """Compare days. Both sides should also hold the day before and after each.

    Args:
        ours: Sums of the ledger.
        theirs: One statement for each provider.
        owned: Our accounts, by provider.
        days: ISO dates, UTC.
        now_us: Tells what may still come late.
        prices: Tells what was listed, for evidence.
    """
    our_sides = our_side(ours, {it.provider: owned[it.provider] for it in theirs})
    findings: list[Finding] = []
    for statement in theirs:
        provider = statement.provider
        mine = {place: side for place, side in our_sides.items() if place.provider == provider}
        told = their_side(statement, owned[provider])
        eye = _Eye(mine, told, statement.oddities, now_us, prices)
        for day in sorted(days):
            why = statement.incomplete or eye.emptiness(day)
            findings += [_unfetched(day, provider, why)] if why else eye.findings(day)
    return Report(
        compared_us=now_us,
        days=tuple(sorted(days)),
        providers=tuple(it.provider for it in theirs),
        findings=tuple(findings),
    )


def _unfetched(day: str, provider: str, why: str) -> Finding:
    return Finding(
        day=day,
        provider=provider,
        account="",
        model="",
        kind=Class.FETCH_INCOMPLETE,
        evidence=why,
    )


@dataclass(frozen=True, slots=True)
class _Pair:
    place: Place
    ours: Side
    theirs: Side

    @property
    def difference(self) -> int:
        return self.theirs.money - self.ours.money


@dataclass(frozen=True, slots=True)
class _Eye:
    """Looks at one provider."""

    ours: Sides
    theirs: Sides
    oddities: Sequence[str]
    now_us: int
    prices: Prices

    def emptiness(self, day: str) -> str | None:
        """Say why a day is too empty to be true."""
        ours = sum(side.all_tokens for place, side in self.ours.items() if place.day == day)
        told = [side for place, side in self.theirs.items() if place.day == day]
        if ours <= TOKENS or any(side.all_tokens for side in told):
            return None
        if any(side.money for side in told):
            return "the usage is empty, and the costs are not"
        if self._is_settled(day):
            return f"nothing is told of a day on which {ours:,} tokens went there"
        return None

    def findings(self, day: str) -> list[Finding]:
        places = sorted({it for it in (*self.ours, *self.theirs) if it.day == day})
        found: list[Finding] = []
        explained: set[Place] = set()
        for place in places:
            alias = self._alias(place, explained)
            if alias is not None:
                found.append(alias)
        found += [self._finding(self._pair(it)) for it in places if it not in explained]
        return sorted(found, key=lambda it: (it.account, it.model))

    def _pair(self, place: Place) -> _Pair:
        return _Pair(place, self.ours.get(place, NOTHING), self.theirs.get(place, NOTHING))

    def _alias(self, place: Place, explained: set[Place]) -> Finding | None:
        """Find names of theirs, unknown to us, that together are one of ours, unknown to them.

        What it finds is then `explained`.
        """
        ours = self.ours.get(place)
        if ours is None or not ours.all_tokens or place in self.theirs:
            return None
        unknown = [
            it
            for it, side in sorted(self.theirs.items())
            if it[:3] == place[:3]
            and it not in self.ours
            and it not in explained
            and side.all_tokens
        ]
        for names in _some_of(unknown):
            theirs = _summed(self.theirs[it] for it in names)
            if _tokens_fit(ours, theirs):
                explained.update((place, *names))
                told = ", ".join(it.model for it in names)
                return _written(_Pair(place, ours, theirs), Class.MODEL_ALIAS, f"told as {told}")
        return None

    def _finding(self, pair: _Pair) -> Finding:
        if not pair.theirs.is_ours:
            return self._external(pair)
        if not _tokens_fit(pair.ours, pair.theirs):
            return self._tokens_differ(pair)
        if pair.theirs.money and self.oddities:
            return _written(pair, Class.UNIT_OR_CURRENCY, "; ".join(self.oddities))
        if not _money_fits(pair.ours.money, pair.theirs.money):
            return self._money_differs(pair)
        return _alike(pair)

    def _external(self, pair: _Pair) -> Finding:
        if not pair.difference and _tokens_fit(pair.ours, pair.theirs):
            return _written(pair, Class.MATCH, "accepted")
        account, _, key = pair.place.account.partition("/")
        what = f"key {key}" if key else f"account {account}"
        evidence = f"{what} is not ours"
        return _written(pair, Class.EXTERNAL_TRAFFIC, evidence, adjusting=True)

    def _tokens_differ(self, pair: _Pair) -> Finding:
        other = self._boundary(pair)
        if other is not None:
            evidence = f"together with {other} the sums are equal"
            return _written(pair, Class.DAY_BOUNDARY, evidence)
        ours, theirs = pair.ours.all_tokens, pair.theirs.all_tokens
        told = f"{theirs:,} tokens, of ours {ours:,}"
        if (theirs, pair.theirs.money) > (ours, pair.ours.money):
            return _written(pair, Class.MISSING_OURS, told + _guesses(pair), adjusting=True)
        if self._is_settled(pair.place.day):
            return _written(pair, Class.MISSING_THEIRS, told + _guesses(pair), adjusting=True)
        return _written(pair, Class.LATE, f"{told}; the day is younger than 72 h")

    def _boundary(self, pair: _Pair) -> str | None:
        """Name a neighbouring day together with which both sides are equal."""
        for step in (-1, 1):
            beside = self._pair(pair.place._replace(day=_beside(pair.place.day, step)))
            both = _summed((pair.ours, beside.ours)), _summed((pair.theirs, beside.theirs))
            if beside.theirs.is_ours and _tokens_fit(*both):
                return beside.place.day
        return None

    def _money_differs(self, pair: _Pair) -> Finding:
        ours, theirs = pair.ours.money, pair.theirs.money
        factor = _factor(ours, theirs)
        if factor is not None:
            return _written(pair, Class.UNIT_OR_CURRENCY, f"tokens match, money is {factor}")
        if theirs < ours and not theirs and not self._is_settled(pair.place.day):
            return _written(pair, Class.LATE, "tokens match, money is not told yet")
        changes = self._changes(pair)
        evidence = "; ".join(
            f"{pair.place.model} {it.token_class} implied {it.implied}"
            + (f", list says {it.listed}" if it.listed is not None else "")
            for it in changes
        )
        found = evidence or "tokens match, money does not"
        return _written(pair, Class.PRICE_DRIFT, found, changes=changes)

    def _changes(self, pair: _Pair) -> tuple[PriceChange, ...]:
        place = pair.place
        listed = self.prices(place.provider, place.model, midnight_us(place.day))
        changes: list[PriceChange] = []
        for kind, tokens in sorted(pair.theirs.tokens.items()):
            nano = pair.theirs.nano.get(kind, 0)
            known = listed.get(kind)
            if not tokens or (not nano and not known):
                continue
            implied = nano * _MILLION // tokens
            if known is None or abs(implied - known) * MONEY_SHARE > known:
                changes.append(
                    PriceChange(
                        token_class=kind,
                        implied=_price(implied),
                        listed=None if known is None else _price(known),
                    )
                )
        return tuple(changes)

    def _is_settled(self, day: str) -> bool:
        return self.now_us - midnight_us(_beside(day, 1)) >= SETTLED_US


def _alike(pair: _Pair) -> Finding:
    if len(pair.theirs.models) > len(pair.ours.models) > 0:
        told = ", ".join(sorted(pair.theirs.models))
        return _written(pair, Class.MODEL_ALIAS, f"told as {told}")
    if pair.difference or _tokens(pair.ours) != _tokens(pair.theirs):
        return _written(pair, Class.ROUNDING, _guesses(pair))
    return _written(pair, Class.MATCH, "")


def _some_of(places: Sequence[Place]) -> Iterable[tuple[Place, ...]]:
    """Give every choice of some; of many names only all together, and each alone."""
    counts = range(1, len(places) + 1) if len(places) <= _MOST_NAMES else (1, len(places))
    return (some for count in counts for some in combinations(places, count))


def _summed(sides: Iterable[Side]) -> Side:
    total = NOTHING
    for side in sides:
        total = total.plus(side)
    return total


def _tokens(side: Side) -> dict[TokenClass, int]:
    return {kind: count for kind, count in summed((side.tokens,)).items() if count}


def _tokens_fit(ours: Side, theirs: Side) -> bool:
    return all(
        abs(ours.tokens.get(it, 0) - theirs.tokens.get(it, 0))
        <= max(TOKENS, max(ours.tokens.get(it, 0), theirs.tokens.get(it, 0)) // TOKEN_SHARE)
        for it in TokenClass
    )


def _money_fits(ours: int, theirs: int) -> bool:
    return abs(ours - theirs) <= max(NANO, max(abs(ours), abs(theirs)) // MONEY_SHARE)


def _factor(ours: int, theirs: int) -> str | None:
    """Say by which factor of units two amounts differ, to one in fifty."""
    for factor in _FACTORS:
        if abs(theirs - factor * ours) * 50 <= factor * ours:
            return f"{factor} times ours"
        if abs(ours - factor * theirs) * 50 <= ours:
            return f"1/{factor} of ours"
    return None


def _guesses(pair: _Pair) -> str:
    return f"; {pair.ours.guessed} of our lines are estimates" if pair.ours.guessed else ""


def _beside(day: str, step: int) -> str:
    return (date.fromisoformat(day) + timedelta(days=step)).isoformat()


def _price(nano: int) -> str:
    """Write a price with at least two decimals."""
    whole, _, decimals = usd_text(nano).partition(".")
    return f"{whole}.{decimals:0<2}"


def _written(
    pair: _Pair,
    kind: Class,
    evidence: str,
    *,
    adjusting: bool = False,
    changes: tuple[PriceChange, ...] = (),
) -> Finding:
    place = pair.place
    return Finding(
        day=place.day,
        provider=place.provider,
        account=place.account,
        model=place.model,
        kind=kind,
        ours_nano=pair.ours.money,
        theirs_nano=pair.theirs.money,
        ours_tokens=_told(pair.ours),
        theirs_tokens=_told(pair.theirs),
        evidence=evidence.removeprefix("; "),
        adjustment=_adjustment(pair) if adjusting else None,
        prices=changes,
    )


def _told(side: Side) -> dict[str, int]:
    return {str(kind): count for kind, count in _tokens(side).items()}


def _adjustment(pair: _Pair) -> Adjustment:
    place = pair.place
    ours, theirs = _told(pair.ours), _told(pair.theirs)
    tokens = {it: theirs.get(it, 0) - ours.get(it, 0) for it in sorted({*ours, *theirs})}
    # What was accepted before is in our sum, so that the next one has another name.
    named = (*place, str(pair.ours.money), str(pair.theirs.money))
    return Adjustment(
        id=f"adj_{sha256('|'.join(named).encode()).hexdigest()[:12]}",
        day=place.day,
        provider=place.provider,
        account=place.account,
        model=place.model,
        cost_nano=pair.difference,
        tokens={it: count for it, count in tokens.items() if count},
    )
