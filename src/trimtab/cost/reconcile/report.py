"""What a comparison found, and what it proposes."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from fractions import Fraction
from itertools import groupby

from msgspec import Struct

from trimtab.domain.adjustment import Adjustment


class Class(StrEnum):
    """Why our money and a provider's are as they are."""

    MATCH = "match"
    ROUNDING = "rounding"
    LATE = "late"
    MISSING_OURS = "missing_ours"
    MISSING_THEIRS = "missing_theirs"
    EXTERNAL_TRAFFIC = "external_traffic"
    PRICE_DRIFT = "price_drift"
    UNIT_OR_CURRENCY = "unit_or_currency"
    MODEL_ALIAS = "model_alias"
    DAY_BOUNDARY = "day_boundary"
    FETCH_INCOMPLETE = "fetch_incomplete"

    @property
    def needs_action(self) -> bool:
        """Whether a person has to do something."""
        return self in _ACTION

    @property
    def is_expected(self) -> bool:
        """Whether there is nothing to explain."""
        return self in (Class.MATCH, Class.ROUNDING)


_ACTION = frozenset(
    {Class.MISSING_OURS, Class.MISSING_THEIRS, Class.PRICE_DRIFT, Class.UNIT_OR_CURRENCY}
)
_UNATTRIBUTED = frozenset({Class.MISSING_OURS, Class.EXTERNAL_TRAFFIC})


class PriceChange(Struct, frozen=True, kw_only=True):
    """A price that the provider seems to take, beside the one of our list; USD per million."""

    token_class: str
    implied: str
    listed: str | None


class Finding(Struct, frozen=True, kw_only=True):
    """One account and model on one day.

    Attributes:
        day: ISO date, UTC.
        account: As the provider names it; `all` if none are told apart.
        model: Without date; empty if money is for none.
        evidence: Why it is of that class, for people.
    """

    day: str
    provider: str
    account: str
    model: str
    kind: Class
    ours_nano: int = 0
    theirs_nano: int = 0
    ours_tokens: Mapping[str, int] = {}
    theirs_tokens: Mapping[str, int] = {}
    evidence: str = ""
    adjustment: Adjustment | None = None
    prices: tuple[PriceChange, ...] = ()

    @property
    def difference_nano(self) -> int:
        """Theirs without ours."""
        return self.theirs_nano - self.ours_nano


class Report(Struct, frozen=True, kw_only=True):
    """All findings about some days of some providers."""

    compared_us: int
    days: tuple[str, ...]
    providers: tuple[str, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def unattributed_nano(self) -> int:
        """Money of providers that fits no tenant; it is never spread."""
        return sum(it.difference_nano for it in self.findings if it.kind in _UNATTRIBUTED)

    @property
    def needing_action(self) -> tuple[Class, ...]:
        """The classes that a person has to do something about."""
        return tuple(sorted({it.kind for it in self.findings if it.kind.needs_action}))

    @property
    def is_complete(self) -> bool:
        """Whether everything was fetched."""
        return all(it.kind is not Class.FETCH_INCOMPLETE for it in self.findings)

    def drift_ratio(self, provider: str) -> Fraction | None:
        """Give the difference as a share of the provider's money; `None` if nothing compares."""
        compared = [it for it in self.findings if it.provider == provider]
        compared = [it for it in compared if it.kind is not Class.FETCH_INCOMPLETE]
        theirs = sum(it.theirs_nano for it in compared)
        ours = sum(it.ours_nano for it in compared)
        if not compared:
            return None
        return Fraction(theirs - ours, theirs or ours) if theirs or ours else Fraction(0)

    def adjustments(self) -> Iterable[Adjustment]:
        """List what could be accepted."""
        return (it.adjustment for it in self.findings if it.adjustment is not None)


def gathered(findings: Sequence[Finding]) -> Iterable[Sequence[Finding]]:
    """Put what is as expected together, a group for each account; all else stands alone."""

    def row(found: Finding) -> tuple[str, ...]:
        alone = "" if found.kind.is_expected else found.model
        return found.day, found.provider, found.account, found.kind, alone

    return (list(group) for _, group in groupby(sorted(findings, key=row), key=row))
