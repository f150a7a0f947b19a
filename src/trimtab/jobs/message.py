"""What routes are told, in words and in members. Numbers and names, never what people wrote."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from trimtab.domain.alert import RULES, Alert, Severity
from trimtab.domain.money import usd_text


class Kind(StrEnum):
    """What a message is: alerts that hold, alerts that are over, or a try."""

    FIRING = "firing"
    RESOLVED = "resolved"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Message:
    """Something a route is told at once.

    Attributes:
        id: The same at every try, so that a receiver can leave out what it has seen.
        alerts: What it is about: one, or several of a report.
        site: Names the deployment.
        link: Where people find it, without a slash at its end; `None` if they reach nothing.
    """

    id: str
    kind: Kind
    alerts: tuple[Alert, ...]
    site: str
    link: str | None = None

    @property
    def severity(self) -> Severity:
        """How urgent the most urgent of its alerts is."""
        order = list(Severity)
        found = (alert.finding.rule.severity for alert in self.alerts)
        return min(found, key=order.index, default=Severity.MESSAGE)

    @property
    def title(self) -> str:
        """Give one line for a subject."""
        if self.kind is Kind.TEST:
            return f"[{self.site}] test: this route works, nothing is wrong"
        first, *more = self.alerts
        if more:
            return f"[{self.site}] {1 + len(more)} alerts"
        over = "over: " if self.kind is Kind.RESOLVED else ""
        finding = first.finding
        return f"[{self.site}] {over}{finding.tenant_id}: {RULES[finding.rule].title}"

    @property
    def text(self) -> str:
        """Give the whole for people to read."""
        if self.kind is Kind.TEST:
            return f"{self.title}\nSent from the console, or by `trimtab alerts test`."
        parts = ["\n".join(_lines(alert, self.link)) for alert in self.alerts]
        return "\n\n".join([self.title, *parts])


def trial_message(site: str, route: str, now_us: int) -> Message:
    """Make a message that says it is only a try."""
    return Message(f"test-{route}-{now_us}", Kind.TEST, (), site)


def document(alert: Alert, link: str | None) -> dict[str, object]:
    """Give an alert as programs read it."""
    finding = alert.finding
    return {
        "id": alert.id,
        "rule": finding.rule,
        "severity": finding.rule.severity,
        "tenant": finding.tenant_id,
        "subject": finding.subject,
        "window": finding.window,
        "told": finding.told,
        "actual_nano": finding.actual_nano,
        "actual_usd": _usd(finding.actual_nano),
        "expected_nano": finding.expected_nano,
        "expected_usd": _usd(finding.expected_nano),
        "feature": finding.feature,
        "model": finding.model,
        "share_pct": finding.share_pct,
        "samples": finding.samples,
        "opened": instant(alert.opened_us),
        "resolved": None if alert.resolved_us is None else instant(alert.resolved_us),
        "silent_until": None if alert.silence is None else instant(alert.silence.until_us),
        "link": alert_link(alert, link),
        "links": [f"{link}/console/requests/{it}" for it in finding.samples] if link else [],
        "actions": actions(alert),
    }


def alert_link(alert: Alert, link: str | None) -> str | None:
    """Say where people look at an alert; `None` if they reach nothing."""
    return f"{link}/console/alerts/{alert.id}" if link else None


def actions(alert: Alert) -> Sequence[str]:
    """Name the commands that help."""
    tenant = alert.finding.tenant_id
    if alert.finding.rule.severity is not Severity.PAGE:
        return ()
    return (
        f"trimtab tenants throttle {tenant} 10/min --reason '{alert.id}'",
        f"trimtab tenants suspend {tenant} --reason '{alert.id}'",
    )


def instant(at_us: int) -> str:
    """Write an instant, UTC."""
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).isoformat().replace("+00:00", "Z")


def _lines(alert: Alert, link: str | None) -> Iterator[str]:
    finding = alert.finding
    about = f", {finding.subject}" if finding.subject else ""
    yield f"{finding.rule}  {finding.tenant_id}{about}  {finding.window}"
    yield finding.told
    if finding.share_pct is not None:
        yield (
            f"{finding.share_pct} % of the excess: feature {finding.feature}, model {finding.model}"
        )
    elif finding.model:
        yield f"feature {finding.feature}, model {finding.model}"
    yield f"since {instant(alert.opened_us)}   alert {alert_link(alert, link) or alert.id}"
    for request_id in finding.samples:
        yield f"{link}/console/requests/{request_id}" if link else f"trimtab trace {request_id}"
    yield from actions(alert)


def _usd(nano: int | None) -> str | None:
    return None if nano is None else usd_text(nano)
