import pytest
from tests.settings.conftest import Faults, Load

from trimtab.domain.alert import Severity, Tls
from trimtab.settings import AlertSettings, RouteKind, RouteSettings

PAGES = frozenset({Severity.PAGE, Severity.MESSAGE})
HOOK = "name: ops, kind: webhook, url: https://a.example.com/x, secret: env:HOOK"
MAIL = "name: m, kind: email, server: smtp.example.com, from: t@example.com, to: [o@example.com]"


def test_without_the_section_nobody_is_told(load_text: Load) -> None:
    alerts = load_text("version: 1\n").alerts

    assert alerts == AlertSettings(
        every_s=60, repeat_s=14_400, floor_nano=5_000_000_000, factor_pct=300, routes=()
    )


def test_reads_the_whole_section(load_text: Load) -> None:
    alerts = load_text(
        """\
        version: 1
        alerts:
          every: 30s
          repeat: 12h
          floor_usd: 0.5
          factor: 2.5
          routes:
            - {name: ops, kind: webhook, url: https://a.example.com/x?y=1, secret: env:HOOK}
            - {name: chat, kind: slack, url: env:SLACK, severities: [page, message, report]}
            - {name: oncall, kind: pagerduty, key: file:pd, severities: [page]}
            - name: mail
              kind: email
              server: smtp.example.com:2525
              tls: tls
              from: trimtab@example.com
              to: [ops@example.com, ana@example.com]
              user: trimtab
              password: env:SMTP
              severities: [report]
        """
    ).alerts

    assert alerts == AlertSettings(
        every_s=30,
        repeat_s=43_200,
        floor_nano=500_000_000,
        factor_pct=250,
        routes=(
            RouteSettings(
                name="ops",
                kind=RouteKind.WEBHOOK,
                severities=PAGES,
                url="https://a.example.com/x?y=1",
                secret="env:HOOK",  # noqa: S106 -- a reference
            ),
            RouteSettings(
                name="chat", kind=RouteKind.SLACK, severities=frozenset(Severity), url="env:SLACK"
            ),
            RouteSettings(
                name="oncall",
                kind=RouteKind.PAGERDUTY,
                severities=frozenset({Severity.PAGE}),
                key="file:pd",
            ),
            RouteSettings(
                name="mail",
                kind=RouteKind.EMAIL,
                severities=frozenset({Severity.REPORT}),
                server=("smtp.example.com", 2525),
                tls=Tls.TLS,
                sender="trimtab@example.com",
                to=("ops@example.com", "ana@example.com"),
                user="trimtab",
                password="env:SMTP",  # noqa: S106 -- a reference
            ),
        ),
    )


@pytest.mark.parametrize(("tls", "port"), [("tls", 465), ("starttls", 587), ("none", 25)])
def test_a_mail_server_has_the_usual_port(load_text: Load, tls: str, port: int) -> None:
    route = f"{{{MAIL}, tls: {tls}, allow_private_network: true}}"

    [read] = load_text(f"version: 1\nalerts: {{routes: [{route}]}}\n").alerts.routes

    assert read.server == ("smtp.example.com", port)


@pytest.mark.parametrize(
    ("section", "at", "says"),
    [
        ("every: 60", ".every", "is no duration"),
        ("floor_usd: 0", ".floor_usd", "is no amount in USD above 0"),
        ("floor_usd: 1e3", ".floor_usd", "is no amount in USD above 0"),
        ("factor: 1", ".factor", "is no factor above 1 and up to 100"),
        ("factor: 101", ".factor", "is no factor above 1 and up to 100"),
        ("factor: 1.005", ".factor", "is no factor above 1 and up to 100"),
        ("factor: NaN", ".factor", "is no factor above 1 and up to 100"),
        ("factor: three", ".factor", "is no factor above 1 and up to 100"),
        ("floor: 5", ".floor", "did you mean 'floor_usd'?"),
        ("routes: {}", ".routes", "is not a list; write `- {name: ops, kind: slack"),
        (
            "routes: [slack]",
            ".routes[0]",
            "is not a map; it takes allow_private_network, from, key",
        ),
        ("routes: [{name: a}]", ".routes[0]", "'kind' is missing; add it"),
        (
            "routes: [{name: a, kind: slak}]",
            ".routes[0].kind",
            "is not taken; write webhook | slack",
        ),
        ("routes: [{name: a, kind: slack}]", ".routes[0]", "'url' is missing; add it"),
        (
            "routes: [{name: a, kind: slack, url: 'https://hooks.slack.com/services/T0/B0/x'}]",
            ".routes[0].url",
            "is a secret; write env:NAME",
        ),
        (
            "routes: [{name: a, kind: slack, url: env:S, key: env:K}]",
            ".routes[0].key",
            "is not known of kind slack; ",
        ),
        (f"routes: [{{{HOOK}}}, {{{HOOK}}}]", ".routes[1].name", "two routes are called 'ops'"),
        (
            f"routes: [{{{HOOK.replace('https', 'http')}}}]",
            ".routes[0].url",
            "is not encrypted; write https://",
        ),
        (f"routes: [{{{HOOK}, severities: []}}]", ".routes[0].severities", "is no list of"),
        (f"routes: [{{{HOOK}, severities: [p]}}]", ".routes[0].severities[0]", "is not taken"),
        (f"routes: [{{{MAIL}, tls: none}}]", ".routes[0].tls", "is not encrypted; write starttls"),
        (f"routes: [{{{MAIL}, user: a}}]", ".routes[0]", "'user' and 'password' go together"),
        (
            f"routes: [{{{MAIL.replace('smtp.example.com', 'smtp://x')}}}]",
            ".routes[0].server",
            "is no mail server",
        ),
        (
            f"routes: [{{{MAIL.replace('smtp.example.com', 'x:0')}}}]",
            ".routes[0].server",
            "is no mail server",
        ),
        (f"routes: [{{{MAIL.replace('t@', 't')}}}]", ".routes[0].from", "is no mail address"),
        (
            f"""routes: [{{{MAIL.replace("[o@", '["a@b,c@')}}}]""".replace("com]", 'com"]'),
            ".routes[0].to",
            "is no mail address",
        ),
        (f"routes: [{{{MAIL.replace('[o@example.com]', '[]')}}}]", ".routes[0].to", "names nobody"),
    ],
)
def test_says_what_is_wrong(faults: Faults, section: str, at: str, says: str) -> None:
    [fault] = faults(f"version: 1\nalerts: {{{section}}}\n")

    assert f": alerts{at}: " in fault
    assert says in fault


def test_secrets_that_are_not_there_are_told(load_text: Load) -> None:
    settings = load_text(
        f"""\
        version: 1
        alerts:
          routes:
            - {{{HOOK}}}
            - {{name: chat, kind: slack, url: env:SLACK}}
            - {{name: oncall, kind: pagerduty, key: env:PD}}
            - {{{MAIL}, user: a, password: env:SMTP}}
        """,
        {"HOOK": "short"},
    )

    assert [path for path, _ in settings.unset] == [
        "alerts.routes[1].url",
        "alerts.routes[2].key",
        "alerts.routes[3].password",
        "alerts.routes[0].secret",
    ]
    assert "that is no secret of a webhook" in settings.unset[-1][1]
