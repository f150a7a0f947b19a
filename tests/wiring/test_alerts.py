from pathlib import Path

import pytest

from trimtab.domain.errors import SettingsInvalid
from trimtab.jobs.channels import PAGERDUTY, Posted
from trimtab.jobs.mail import Mailed, Server
from trimtab.settings import AlertSettings, RouteKind, RouteSettings
from trimtab.testing import ScriptedProvider
from trimtab.wiring.alerts import has_alerts, route_of, terms

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 -- the specification's example
URL = "https://hooks.example.com/x"


def route(
    kind: RouteKind,
    *,
    url: str | None = None,
    secret: str | None = None,
    key: str | None = None,
    password: str | None = None,
) -> RouteSettings:
    return RouteSettings(
        name="ops",
        kind=kind,
        server=("smtp.example.com", 587),
        to=("o@example.com",),
        url=url,
        secret=secret,
        key=key,
        password=password,
    )


def test_a_route_is_built_of_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", SECRET)
    monkeypatch.setenv("SLACK", URL)
    hook = route(RouteKind.WEBHOOK, url=URL, secret="env:SECRET")  # noqa: S106 -- a reference
    built = [
        route_of(it, ScriptedProvider())
        for it in (
            hook,
            route(RouteKind.SLACK, url="env:SLACK"),
            route(RouteKind.PAGERDUTY, key="env:SECRET"),
            route(RouteKind.EMAIL, password="env:SECRET"),  # noqa: S106 -- the same
        )
    ]

    assert [it.keeps_state for it in built] == [False, False, True, False]
    assert {it.name for it in built} == {"ops"}
    places = [it.channel.place.host for it in built if isinstance(it.channel, Posted)]
    assert places == ["hooks.example.com", "hooks.example.com", "events.pagerduty.com"]
    assert PAGERDUTY.startswith("https://events.pagerduty.com/")
    mail = built[3].channel
    assert isinstance(mail, Mailed)
    assert isinstance(mail.server, Server)
    assert (mail.server.host, mail.server.password) == ("smtp.example.com", SECRET)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (route(RouteKind.SLACK, url="env:AWAY"), "route 'ops': environment variable 'AWAY'"),
        (route(RouteKind.PAGERDUTY, key="env:AWAY"), "route 'ops': environment variable 'AWAY'"),
        (
            route(RouteKind.WEBHOOK, url=URL, secret="env:SHORT"),  # noqa: S106 -- a reference
            "route 'ops': 'env:SHORT': that is no secret of a webhook",
        ),
        (route(RouteKind.SLACK, url="env:SHORT"), "route 'ops' has a URL that cannot be used"),
    ],
    ids=["no URL", "no key", "no secret", "no URL at all"],
)
def test_a_route_that_cannot_be_used_says_why_and_repeats_no_secret(
    monkeypatch: pytest.MonkeyPatch, settings: RouteSettings, says: str
) -> None:
    monkeypatch.setenv("SHORT", "s3cret")

    with pytest.raises(SettingsInvalid) as caught:
        route_of(settings, ScriptedProvider())

    assert str(caught.value).startswith(says)
    assert "s3cret" not in str(caught.value)


def test_what_is_too_much_is_as_the_file_says() -> None:
    found = terms(AlertSettings(floor_nano=7, factor_pct=250))

    assert (found.floor_nano, found.factor_pct) == (7, 250)


def test_there_are_no_alerts_where_no_keeper_ran(tmp_path: Path) -> None:
    assert not has_alerts(tmp_path)
