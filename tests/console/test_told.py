"""Who was told of an alert."""

from tests.console.alerting import LOOP, RATE, alert, notice
from tests.jobs.conftest import Told as Channel

from trimtab.console.told import Stage, channels, told_of
from trimtab.domain.alert import NoticeKind, Outcome, Severity
from trimtab.jobs.delivery import Route

ONE, OTHER = alert(RATE), alert(LOOP)


def ended(route: str, error: str = "") -> Outcome:
    return Outcome(alert_id=ONE.id, route=route, kind=NoticeKind.FIRING, at_us=5, error=error)


def test_each_route_stands_in_one_stage() -> None:
    notices = [notice(ONE, "new"), notice(ONE, "again", tries=3, error="answer 503")]

    told = told_of(notices, [ended("ops"), ended("mail", "answer 550")])[ONE.id]

    assert [(it.route, it.stage, it.tries, it.reason) for it in told] == [
        ("again", Stage.RETRYING, 3, "answer 503"),
        ("mail", Stage.FAILED, 0, "answer 550"),
        ("new", Stage.WAITING, 0, ""),
        ("ops", Stage.DELIVERED, 0, ""),
    ]


def test_what_still_waits_counts_more_than_what_was_told_before_and_its_first_most() -> None:
    over = Outcome(alert_id=ONE.id, route="ops", kind=NoticeKind.FIRING, at_us=5)
    first, second = notice(ONE, "ops", tries=2), notice(ONE, "ops")

    [told] = told_of([first, second], [over])[ONE.id]

    assert (told.stage, told.tries) == (Stage.RETRYING, 2)


def test_alerts_do_not_share_what_was_told() -> None:
    told = told_of([notice(ONE, "ops"), notice(OTHER, "ops", tries=1)], [])

    assert told[ONE.id][0].stage is Stage.WAITING
    assert told[OTHER.id][0].stage is Stage.RETRYING


def test_a_route_says_what_waits_for_it_and_why() -> None:
    route = Route("ops", frozenset({Severity.REPORT, Severity.PAGE}), Channel(), kind="slack")
    waiting = [notice(ONE, "ops"), notice(OTHER, "ops", tries=1, error="answer 503")]

    [ops] = channels([route], [*waiting, notice(ONE, "other", tries=9, error="no")])

    assert (ops.waiting, ops.error) == (2, "answer 503")
    assert ops.severities == (Severity.PAGE, Severity.REPORT)
