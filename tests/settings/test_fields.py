from typing import Any

import pytest
from tests.settings.conftest import Faults, Load

GATEWAY = "version: 1\ngateway: {{{}}}\n"
TENANT = "version: 1\ntiers: {{t: {{}}}}\ntenants:\n  acme: {{tier: t, {}}}\n"


@pytest.mark.parametrize(
    ("written", "value"),
    [("32MiB", 33_554_432), ("1GiB", 2**30), ("512KiB", 524_288), ("1_000B", 1000)],
)
def test_reads_sizes(load_text: Load, written: str, value: int) -> None:
    assert load_text(GATEWAY.format(f"max_body: {written}")).gateway.max_body == value


@pytest.mark.parametrize(
    ("written", "value"),
    [("100ms", 0.1), ("2s", 2.0), ("1.5s", 1.5), ("5m", 300.0), ("1h", 3600.0)],
)
def test_reads_durations(load_text: Load, written: str, value: float) -> None:
    assert load_text(GATEWAY.format(f"drain: {written}")).gateway.drain_s == pytest.approx(value)


@pytest.mark.parametrize(
    ("written", "host", "port"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080),
        ("'[::1]:80'", "::1", 80),
        ("localhost:0", "localhost", 0),
    ],
)
def test_reads_addresses(load_text: Load, written: str, host: str, port: int) -> None:
    gateway = load_text(GATEWAY.format(f"listen: {written}")).gateway

    assert (gateway.host, gateway.port) == (host, port)


@pytest.mark.parametrize(
    ("written", "store"),
    [
        ("sqlite", None),
        ("postgres://trimtab@db/trimtab", "postgres://trimtab@db/trimtab"),
        ("postgresql:///trimtab?host=/run", "postgresql:///trimtab?host=/run"),
        ("env:TRIMTAB_STORE", "env:TRIMTAB_STORE"),
    ],
)
def test_reads_where_change_log_and_records_are(
    load_text: Load, written: str, store: str | None
) -> None:
    assert load_text(GATEWAY.format(f"store: '{written}'")).gateway.store == store
    assert load_text(GATEWAY.format(f"records: '{written}'")).gateway.records == store


@pytest.mark.parametrize(
    "written", ["clickhouse://u@ch:9000/t", "clickhouses://ch/trimtab", "env:TRIMTAB_ARCHIVE"]
)
def test_reads_which_clickhouse_keeps_single_requests(load_text: Load, written: str) -> None:
    told = f"records: 'postgres://db/trimtab', archive: '{written}'"

    assert load_text(GATEWAY.format(told)).gateway.archive == written


@pytest.mark.parametrize(
    "written",
    [
        "clickhouse://u:hunter2@ch/trimtab",
        "postgres://hunter2/trimtab",
        "clickhouse://hunter2",
        "clickhouse://[hunter2/trimtab",
        "hunter2",
    ],
)
def test_a_clickhouse_that_cannot_be_is_refused_and_never_repeated(
    faults: Faults, written: str
) -> None:
    (fault,) = faults(GATEWAY.format(f"records: 'postgres://db/t', archive: '{written}'"))

    assert fault.startswith("trimtab.yaml:2: gateway.archive: ")
    assert "env:NAME" in fault
    assert "hunter2" not in fault


def test_a_clickhouse_needs_a_postgres_beside_it(faults: Faults) -> None:
    (fault,) = faults(GATEWAY.format("archive: 'clickhouse://ch/trimtab'"))

    assert fault.endswith("the Postgres that keeps what adds up; add `gateway.records`")


@pytest.mark.parametrize(
    "written",
    [
        "postgres://trimtab:hunter2@db/trimtab",
        "postgres://db/trimtab?password=hunter2",
        "postgres://db/trimtab?sslpassword=hunter2",
        "mysql://hunter2/trimtab",
        "postgres://hunter2",
        "postgres://[hunter2/trimtab",
        "hunter2",
    ],
)
def test_a_control_store_that_cannot_be_is_refused_and_never_repeated(
    faults: Faults, written: str
) -> None:
    (fault,) = faults(GATEWAY.format(f"store: '{written}'"))

    assert fault.startswith("trimtab.yaml:2: gateway.store: ")
    assert "env:NAME" in fault
    assert "hunter2" not in fault


@pytest.mark.parametrize(
    ("member", "says"),
    [
        ("max_body: 32MB", "'32MB' is no size; write a number and B, KiB, MiB or GiB, as 32MiB"),
        ("max_body: 0MiB", "'0MiB' is no size"),
        ("max_body: 33554432", "'33554432' is no size"),
        ("drain: 30", "'30' is no duration; write a number and ms, s, m or h, as 2s"),
        ("drain: 0s", "'0s' is not between 0 and a day"),
        ("drain: 2d", "'2d' is not between 0 and a day"),
        ("drain: [2s]", "is a list or a map; write a single value"),
        ("listen: 8080", "'8080' is no address; write host:port, as 127.0.0.1:8080"),
        ("listen: '::1:80'", "'::1:80' is no address"),
        ("listen: localhost:99999", "has no port of 0 to 65535"),
        ("admin_key: hunter2", "a secret must be a reference; write env:NAME or file:PATH"),
        ("lisen: 1", "is not known here; did you mean 'listen'?"),
    ],
)
def test_says_what_a_member_of_the_gateway_takes(faults: Faults, member: str, says: str) -> None:
    (fault,) = faults(GATEWAY.format(member))

    assert fault.startswith(f"trimtab.yaml:2: gateway.{member.partition(':')[0]}: ")
    assert says in fault


@pytest.mark.parametrize(
    ("members", "read"),
    [
        ("models: []", {"models": ()}),
        ("timezone: Europe/Rome", {"timezone": "Europe/Rome"}),
        ("content: none", {"content": "none"}),
        ("durability: strict", {"durability": "strict"}),
    ],
)
def test_reads_what_a_tenant_may_say(load_text: Load, members: str, read: dict[str, Any]) -> None:
    (tenant,) = load_text(TENANT.format(members)).tenants.values()

    assert {name: getattr(tenant, name) for name in read} == read


@pytest.mark.parametrize(
    ("member", "at", "says"),
    [
        ("timezone: Europe/Roma", ".timezone", "did you mean 'Europe/Rome'?"),
        ("timezone: ../etc/passwd", ".timezone", "is no time zone"),
        ("models: chat", ".models", "is not a list; write [a, b]"),
        ("models: [5]", ".models[0]", "'5' is not text; put it in quotes"),
        ("models: [true]", ".models[0]", "'true' is not text; put it in quotes"),
        ("content: all", ".content", "'all' is not taken; write full | redacted | none"),
        ("limits: {parallel: 0}", ".limits.parallel", "no whole number of at least 1"),
        ("limits: {parallel: 1.5}", ".limits.parallel", "no whole number of at least 1"),
        ("limits: {parallel: '4'}", ".limits.parallel", "no whole number of at least 1"),
        ("limits: {parallel: true}", ".limits.parallel", "no whole number of at least 1"),
        ("limits: 5", ".limits", "is not a map; it takes parallel, requests_per_minute"),
        ("limits: {rpm: 5}", ".limits.rpm", "is not known here; "),
    ],
)
def test_says_what_a_member_of_a_tenant_takes(
    faults: Faults, member: str, at: str, says: str
) -> None:
    (fault,) = faults(TENANT.format(member))

    assert fault.startswith(f"trimtab.yaml:4: tenants.acme{at}: ")
    assert says in fault


@pytest.mark.parametrize(
    "member",
    ["budget: {usd_per_day: 5}", "limits: {tokens_per_day: 5}", "guards: [pii]", "guardrails: {}"],
)
def test_t02_a_limit_guard_or_budget_that_nothing_enforces_is_refused(
    faults: Faults, member: str
) -> None:
    (of_tenant,) = faults(TENANT.format(member))
    (of_file,) = faults(f"version: 1\n{member}\n")

    assert "is not known here" in of_tenant
    assert "is not known here" in of_file


def test_underscores_group_the_digits_of_a_number(load_text: Load) -> None:
    (tenant,) = load_text(TENANT.format("limits: {tokens_per_minute: 40_000}")).tenants.values()

    assert tenant.limits.tokens_per_minute == 40_000


def test_yes_is_no_truth(faults: Faults) -> None:
    (fault,) = faults("version: 1\nlog_line: {stdout: yes}\n")

    assert fault == (
        "trimtab.yaml:2: log_line.stdout: 'yes' is neither true nor false; write one of them"
    )
