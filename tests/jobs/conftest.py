"""Alerts and routes for the jobs: a store in memory and a route that remembers."""

from collections import deque

from trimtab.domain.alert import Alert, Finding, Rule, Severity
from trimtab.jobs.delivery import Route
from trimtab.jobs.message import Message
from trimtab.jobs.posting import Answer

TAKEN = Answer(taken=True, said="answer 200")
AWAY = Answer(taken=False, said="answer 503")
ALL = frozenset(Severity)


class Told:
    """A channel that answers from a script, then takes all. State: what it was told."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = deque(answers)
        self.messages: list[Message] = []

    async def tell(self, message: Message, now_us: int) -> Answer:
        _ = now_us
        self.messages.append(message)
        return self.answers.popleft() if self.answers else TAKEN

    @property
    def ids(self) -> list[str]:
        return [it.id for it in self.messages]


def listener(
    name: str, severities: frozenset[Severity] = ALL, *, keeps_state: bool = False
) -> Route:
    """Give a route that is told nothing here."""
    return Route(name, severities, Told(), keeps_state)


def finding(rule: Rule = Rule.SPEND_RATE, tenant: str = "acme", day: int = 23) -> Finding:
    return Finding(
        rule=rule,
        tenant_id=tenant,
        window=f"day:2026-11-{day}",
        told="12.50 USD in an hour or two, 6.2 times the usual 2.00",
        actual_nano=12_500_000_000,
        expected_nano=2_000_000_000,
        feature="search",
        model="chat",
        share_pct=83,
        samples=("r_1", "r_2"),
    )


def alert(rule: Rule = Rule.SPEND_RATE, tenant: str = "acme", opened_us: int = 0) -> Alert:
    found = finding(rule, tenant)
    return Alert(id=found.alert_id, finding=found, opened_us=opened_us, seen_us=opened_us)
