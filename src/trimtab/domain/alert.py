"""What is told to people when money runs away: which rule, about whom, and how it stands."""

from collections.abc import Mapping
from enum import StrEnum
from hashlib import sha256
from typing import NamedTuple

from msgspec import Struct

ID_PREFIX = "al_"

SITE = "(site)"
"""In the place of a tenant; none may be named so."""

_ID_DIGITS = 20


class Severity(StrEnum):
    """Whom an alert is for: it wakes somebody, waits for somebody, or is a line in a report."""

    PAGE = "page"
    MESSAGE = "message"
    REPORT = "report"


class Tls(StrEnum):
    """How a mail server is spoken to: encrypted from the start, once greeted, or not at all."""

    TLS = "tls"
    STARTTLS = "starttls"
    NONE = "none"


class Rule(StrEnum):
    """What raises an alert."""

    SPEND_3X_28D = "spend_3x_28d"
    SPEND_SPIKE = "spend_spike"
    SPEND_RATE = "spend_rate"
    BUDGET_FORECAST = "budget_forecast"
    BUDGET_THRESHOLD = "budget_threshold"
    LOOP = "loop"
    ZERO_COST = "zero_cost"
    USAGE_INCONSISTENT = "usage_inconsistent"
    PRICE_UNKNOWN = "price_unknown"

    @property
    def severity(self) -> Severity:
        """Whom it is for."""
        return RULES[self].severity

    @property
    def heading(self) -> str:
        """What it says in a title."""
        return RULES[self].title

    @property
    def is_of_past(self) -> bool:
        """Whether it judges what has happened for good: telling it again changes nothing."""
        return self in _OF_PAST


class RuleWords(NamedTuple):
    """Whom a rule is for, and what it says in a title."""

    severity: Severity
    title: str


RULES: Mapping[Rule, RuleWords] = {
    Rule.SPEND_3X_28D: RuleWords(Severity.REPORT, "a day cost more than usual"),
    Rule.SPEND_SPIKE: RuleWords(Severity.PAGE, "a day cost far more than such days do"),
    Rule.SPEND_RATE: RuleWords(Severity.PAGE, "money is being spent far faster than usual"),
    Rule.BUDGET_FORECAST: RuleWords(Severity.MESSAGE, "a budget will not last"),
    Rule.BUDGET_THRESHOLD: RuleWords(Severity.MESSAGE, "a part of a budget is spent"),
    Rule.LOOP: RuleWords(Severity.PAGE, "calls repeat themselves"),
    Rule.ZERO_COST: RuleWords(Severity.MESSAGE, "tokens were booked as free that have a price"),
    Rule.USAGE_INCONSISTENT: RuleWords(Severity.MESSAGE, "a provider's token counts contradict"),
    Rule.PRICE_UNKNOWN: RuleWords(Severity.MESSAGE, "requests have no price"),
}
"""Every rule, in the order in which they are shown."""

_OF_PAST = frozenset({Rule.SPEND_3X_28D, Rule.SPEND_SPIKE, Rule.BUDGET_THRESHOLD})


class Finding(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a rule found. Numbers and names only, never what people wrote.

    Attributes:
        tenant_id: The tenant; `SITE` if it is about all of them.
        subject: What of the tenant it is about, if not all of it: a key, a feature, a model.
        window: The span it is about, in the tenant's calendar, as `day:2026-11-23`.
        told: What is the matter, in one line.
        actual_nano: What was spent; `None` if it is not about an amount.
        expected_nano: What usually is, or what may be.
        feature: The feature that explains most of it; `model` likewise.
        share_pct: How much of it they explain.
        samples: Up to three requests to look at.
    """

    rule: Rule
    tenant_id: str
    window: str
    told: str
    subject: str = ""
    actual_nano: int | None = None
    expected_nano: int | None = None
    feature: str = ""
    model: str = ""
    share_pct: int | None = None
    samples: tuple[str, ...] = ()

    @property
    def alert_id(self) -> str:
        """Name the alert: the same rule, tenant, subject and window are the same alert."""
        named = f"{self.rule}\n{self.tenant_id}\n{self.subject}\n{self.window}"
        return ID_PREFIX + sha256(named.encode()).hexdigest()[:_ID_DIGITS]


class Silence(Struct, frozen=True, kw_only=True):
    """That nobody is told of an alert for a while."""

    until_us: int
    author: str
    reason: str


class Alert(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A finding and how it stands.

    Attributes:
        seen_us: When the rule found it last.
        resolved_us: Since when it is over; `None` while it is open.
        told_us: When people were told last.
        notices: How often they were told something, counted up.
    """

    id: str
    finding: Finding
    opened_us: int
    seen_us: int
    resolved_us: int | None = None
    told_us: int | None = None
    notices: int = 0
    silence: Silence | None = None

    @property
    def is_open(self) -> bool:
        """Whether it still holds."""
        return self.resolved_us is None

    def is_silent(self, at_us: int) -> bool:
        """Whether nobody is to be told."""
        return self.silence is not None and at_us < self.silence.until_us


class NoticeKind(StrEnum):
    """What people are told of an alert."""

    FIRING = "firing"
    RESOLVED = "resolved"


class Notice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing one route is still to be told.

    Attributes:
        n: Counts what is told of the alert; a smaller one goes first.
        due_us: Not before.
        tries: Tries that failed.
        error: What went wrong last.
    """

    alert_id: str
    n: int
    route: str
    kind: NoticeKind
    due_us: int
    tries: int = 0
    error: str = ""

    @property
    def id(self) -> str:
        """Name it to the receiver, the same at every try."""
        return f"{self.alert_id}-{self.n}"


class Outcome(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of the last thing a route was to be told of an alert.

    Attributes:
        error: Why it was given up; empty if the route took it.
    """

    alert_id: str
    route: str
    kind: NoticeKind
    at_us: int
    error: str = ""
