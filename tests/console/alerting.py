"""Alerts and bills behind a console: some that page, one over, one silenced; a week compared."""

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace
from tests.console.conftest import EXAMPLE, HOUR_US, KEY, START_US, Site
from tests.jobs.conftest import ALL, AWAY, Told

from trimtab.cost.reconcile.report import Class, Finding, PriceChange, Report
from trimtab.domain import alert as domain
from trimtab.domain.adjustment import Adjustment
from trimtab.domain.alert import Alert, Notice, NoticeKind, Rule, Severity, Silence
from trimtab.jobs.delivery import Route

USD = 1_000_000_000
OUTPUT = "output"
TODAY = datetime.fromtimestamp(START_US / 1e6, UTC).date()
HOSTILE = "</p><script>alert(1)</script><img src=x onerror=alert(1)>"
QUIET = Silence(until_us=START_US + HOUR_US, author="ana", reason="known batch run")
PROPOSED = Adjustment(
    id="adj_4c1d9a0be377",
    day=(TODAY - timedelta(days=2)).isoformat(),
    provider="openai",
    account="proj_apps",
    model="gpt-5",
    cost_nano=14_550_000_000,
    tokens={"input": 4_000_000, "output": 955_000},
)
RATE = domain.Finding(
    rule=Rule.SPEND_RATE,
    tenant_id="acme",
    window="day:2026-04-25",
    told="41.20 USD in an hour or two, 8.6 times the usual 4.80",
    actual_nano=41_200_000_000,
    expected_nano=4_800_000_000,
    feature="search",
    model="chat",
    share_pct=83,
    samples=(EXAMPLE, "r_01KQ2Z50002"),
)
LOOP = domain.Finding(
    rule=Rule.LOOP,
    tenant_id="acme",
    subject=f"conversation 'c-4711' of key {KEY}",
    window="day:2026-04-25",
    told="214 calls in 5 minutes, 209 of them the same, for 3.12 USD",
    actual_nano=3_120_000_000,
    feature="support-bot",
    model="chat",
    samples=(EXAMPLE,),
)
UNPRICED = domain.Finding(
    rule=Rule.PRICE_UNKNOWN,
    tenant_id="globex",
    subject="sim/new",
    window="day:2026-04-25",
    told="12 of 12 calls of sim/new in an hour have no price; add it under `prices.overrides`",
    feature="default",
    model="new",
)
BUDGET = domain.Finding(
    rule=Rule.BUDGET_FORECAST,
    tenant_id="initech",
    window="month:2026-04",
    told="the budget of 900 USD a month will be empty on 28 Apr 09:00 (UTC) at this pace",
    actual_nano=861 * USD,
    expected_nano=900 * USD,
)


def alert(finding: domain.Finding, ago_us: int = 0, *, is_over: bool = False) -> Alert:
    """Make an alert of a finding that began some time ago."""
    return Alert(
        id=finding.alert_id,
        finding=finding,
        opened_us=START_US - ago_us,
        seen_us=START_US,
        resolved_us=START_US if is_over else None,
    )


def notice(of: Alert, route: str, *, tries: int = 0, error: str = "") -> Notice:
    """Make what a route is still to be told of an alert."""
    return Notice(
        alert_id=of.id,
        n=1,
        route=route,
        kind=NoticeKind.FIRING,
        due_us=START_US + 40_000_000,
        tries=tries,
        error=error,
    )


async def fill_alerts(site: Site) -> None:
    """Raise alerts; `ops` takes them, `chat` does not, and `mail` was given up for one."""
    store = site.stores.alerts
    rate, loop = alert(RATE, HOUR_US // 2), alert(LOOP, HOUR_US)
    unpriced, budget = alert(UNPRICED, 2 * HOUR_US), alert(BUDGET, 30 * HOUR_US, is_over=True)
    gone = notice(loop, "mail", tries=108, error="answer 550: no such user")
    told = [notice(rate, "ops"), notice(loop, "ops"), gone]
    waiting = notice(rate, "chat", tries=7, error="answer 404: no_team")
    await store.save([rate, loop, unpriced, budget], [*told, waiting, notice(unpriced, "chat")])
    await store.told(told, START_US - 60_000_000)
    await store.silence(unpriced.id, QUIET)
    site.stores.routes += [
        Route("ops", ALL, Told(), kind="webhook"),
        Route("chat", frozenset({Severity.PAGE, Severity.MESSAGE}), Told(AWAY), kind="slack"),
    ]


def finding(day: str, kind: Class, ours: float, theirs: float, **members: object) -> Finding:
    """Make a finding in USD."""
    made = Finding(
        day=day,
        provider="openai",
        account="proj_apps",
        model="gpt-5",
        kind=kind,
        ours_nano=round(ours * USD),
        theirs_nano=round(theirs * USD),
    )
    return replace(made, **members)


def put(site: Site, ago: int, *findings: Finding, provider: str = "openai") -> str:
    """Keep the report of a day some days ago; gives the day."""
    day = (TODAY - timedelta(days=ago)).isoformat()
    told = tuple(replace(it, day=day, provider=provider) for it in findings)
    report = Report(compared_us=START_US, days=(day,), providers=(provider,), findings=told)
    site.stores.reports.put(report)
    return day


def fill_reports(site: Site) -> None:
    """Compare three weeks: most are equal, a price moved, a key is used elsewhere."""
    for ago in range(1, 22):
        equal = finding("", Class.MATCH, 100 + ago, 100 + ago, evidence="")
        near = equal.ours_nano + (ago * 37 % 11 - 4) * USD // 20
        small = replace(equal, model="gpt-5-mini", kind=Class.ROUNDING, theirs_nano=near)
        put(site, ago, equal, small)
        put(site, ago, finding("", Class.MATCH, 1_204.11, 1_204.11), provider="anthropic")
    price = finding(
        "",
        Class.PRICE_DRIFT,
        101.02,
        90.92,
        evidence="gpt-5 output implied 9.00, lock says 10.00",
        prices=(PriceChange(token_class=OUTPUT, implied="9.00", listed="10.00"),),
    )
    outside = finding(
        "",
        Class.EXTERNAL_TRAFFIC,
        388.20,
        402.75,
        model="gpt-5",
        account="proj_lab",
        evidence="key sk-...9f2a is not ours",
        adjustment=PROPOSED,
    )
    put(site, 1, price, finding("", Class.LATE, 12.4, 11.9, model="o4", evidence="young"))
    put(site, 2, outside, finding("", Class.MATCH, 99.1, 99.1))
    put(site, 5, finding("", Class.FETCH_INCOMPLETE, 0, 0, model="", evidence="answer 429"))
    put(site, 9, finding("", Class.MISSING_OURS, 80, 86.5, evidence="1.2 M tokens more"))


async def fill_hostile(site: Site) -> list[str]:
    """Write markup into every name that others choose; gives the pages that show it."""
    told = domain.Finding(
        rule=Rule.LOOP,
        tenant_id=HOSTILE,
        subject=HOSTILE,
        window=HOSTILE,
        told=HOSTILE,
        feature=HOSTILE,
        model=HOSTILE,
        samples=(HOSTILE,),
    )
    made = alert(told)
    await site.stores.alerts.save([made], [notice(made, HOSTILE, tries=1, error=HOSTILE)])
    await site.stores.alerts.silence(
        made.id, Silence(until_us=START_US - 1, author=HOSTILE, reason=HOSTILE)
    )
    booked = replace(PROPOSED, account=HOSTILE, model=HOSTILE, tokens={HOSTILE: 1})
    names = {"account": HOSTILE, "model": HOSTILE, "evidence": HOSTILE, "adjustment": booked}
    put(site, 2, finding("", Class.MISSING_OURS, 1, 2, **names))
    return [
        "/console",
        "/console/alerts",
        f"/console/alerts/{made.id}",
        "/console/reconcile",
        f"/console/reconcile/adjustments/{PROPOSED.id}",
    ]
