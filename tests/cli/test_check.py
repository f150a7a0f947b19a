import sys

import pytest
from tests.cli.conftest import Terminal

PROVIDERS = "version: 1\nproviders:\n  p: {wire: openai, url: https://e.com}\n"
DUE = PROVIDERS + "models:\n  m: {kind: freezer, to: p/m-2026-01-15, review_by: 2026-01-15}\n"
OVERDUE = DUE.replace("review_by: 2026-01-15", "review_by: 2025-12-31")
KEY = f"""
keys: [{{name: app, tenant: acme, id: 7hq2m9xkd4wp, sha256: '{"0" * 64}', models: [m]}}]
tenants: {{acme: {{tier: t, limits: {{parallel: 2}}}}}}
tiers: {{t: {{models: [m, p/*], limits: {{parallel: 9, requests_per_minute: 1_000}}}}}}
"""


def write(terminal: Terminal, text: str) -> None:
    (terminal.home / "trimtab.yaml").write_text(text)


def test_says_how_much_there_is_of_what(terminal: Terminal) -> None:
    said = terminal.run("check").stdout

    assert said.rstrip().endswith(
        "trimtab.yaml  ok   1 provider, 5 models, 2 tiers, 3 tenants, 0 keys"
    )


def test_tells_every_fault_on_a_line_of_its_own_and_exits_1(terminal: Terminal) -> None:
    write(terminal, "version: 1\ntirs: {}\nprovider: {}\n")

    said = terminal.run("check", code=1).stderr

    assert said.splitlines() == [
        "trimtab.yaml:2: tirs: is not known here; did you mean 'tiers'?",
        "trimtab.yaml:3: provider: is not known here; did you mean 'providers'?",
        "2 errors; nothing was changed",
    ]
    errors = terminal.json("check", code=1)["errors"]
    assert errors == said.splitlines()[:2]


def test_a_warning_fails_only_when_strict(terminal: Terminal) -> None:
    write(terminal, DUE)

    said = terminal.run("check").stdout

    assert "  warn   models.m.review_by: 2026-01-15 is 14 days away" in said
    assert "FAILED" in terminal.run("check", "--strict", code=1).stdout


def test_an_overdue_review_fails(terminal: Terminal) -> None:
    write(terminal, OVERDUE)

    assert "  error  models.m.review_by: " in terminal.run("check", code=1).stdout
    document = terminal.json("check", code=1)
    assert (document["ok"], document["notes"][0]["level"]) == (False, "error")


def test_shows_what_a_key_may_do_and_where_that_is_written(terminal: Terminal) -> None:
    write(terminal, DUE + KEY)

    said = terminal.run("check", "--key", "app", "--model", "m").stdout

    assert said.splitlines() == [
        "tenant acme (t)   key 7hq2m9xkd4wp",
        "  limit    1,000/min               tiers.t.limits.requests_per_minute",
        "  limit    unlimited tok/min       default",
        "  limit    2 at once               tenants.acme.limits.parallel",
        "  models   m                       key 7hq2m9xkd4wp",
        "  content  full                    durability group",
        "  target   1 p/m-2026-01-15        freezer, no price",
    ]


def test_exits_1_when_the_key_may_not_call_the_model(terminal: Terminal) -> None:
    write(terminal, DUE + KEY)

    unknown = terminal.run("check", "--key", "7hq2m9xkd4wp", "--model", "z", code=1)
    denied = terminal.run("check", "--key", "7hq2m9xkd4wp", "--model", "p/x", code=1)

    assert "NO       model 'z' is not in the file" in unknown.stdout
    assert "NO       model 'p/x' is not among its models" in denied.stdout
    document = terminal.json("check", "--key", "app", "--model", "p/x", code=1)
    assert (document["allowed"], document["target"]) == (False, "p/x")


def test_knows_keys_that_were_made_by_hand(company: Terminal) -> None:
    made = company.json("keys", "create", "--tenant", "hobby", "--name", "mine")

    document = company.json("check", "--key", "mine", "--model", "chat-small")

    assert (document["key"], document["allowed"]) == (made["id"], True)
    assert document["limits"]["parallel"] == {"value": 4, "from": "tiers.free.limits.parallel"}


def test_a_name_of_two_keys_is_not_enough(company: Terminal) -> None:
    for _ in range(2):
        company.run("keys", "create", "--tenant", "hobby", "--name", "mine")

    said = company.run("check", "--key", "mine", code=2).stderr

    assert "'mine' names more than one key; name one of " in said


def test_an_unknown_key_is_told(terminal: Terminal) -> None:
    assert "there is no key 'zz'" in terminal.run("check", "--key", "zz", code=2).stderr
    assert not (terminal.home / ".trimtab").exists()


def test_a_model_without_a_key_is_a_usage_error(terminal: Terminal) -> None:
    assert "--model needs --key" in terminal.run("check", "--model", "m", code=2).stderr


def test_a_file_that_is_not_there_is_told(terminal: Terminal) -> None:
    said = terminal.run("check", "--config", "none.yaml", code=1).stderr

    assert "'none.yaml' cannot be read" in said


def test_lists_every_target_in_order_and_where_it_is_written(terminal: Terminal) -> None:
    text = (
        """version: 1
providers: {p: {wire: openai, url: https://e.com}}
models:
  m: {kind: alias, to: {p/a: 9, p/b: 1}, fallback: {when_error: [n, p/d], when_refused: [n]}}
  n: {kind: alias, to: p/c}
tiers: {t: {models: [m]}}
tenants: {acme: {tier: t}}
prices: {overrides: {p/a: {input: 3, output: 15.5}}}
keys: [{name: app, tenant: acme, id: 7hq2m9xkd4wp, sha256: \""""
        + "0" * 64
        + """\"}]
"""
    )
    file = terminal.home / "trimtab.yaml"
    file.write_text(text)

    asked = ("check", "--config", str(file), "--key", "app", "--model", "m")

    assert [(it["target"], it["from"]) for it in terminal.json(*asked)["targets"]] == [
        ("p/a", "alias, weight 9"),
        ("p/b", "alias, weight 1"),
        ("p/c", "fallback.when_error[0] n"),
        ("p/d", "fallback.when_error[1] p/d"),
        ("p/c", "fallback.when_refused[0] n"),
    ]
    priced, *unpriced = [it["usd_per_mtok"] for it in terminal.json(*asked)["targets"]]
    assert priced == {"input": "3", "output": "15.5"}
    assert not any(unpriced)
    assert "alias, weight 9, USD 3 in, 15.5 out per Mtok" in terminal.run(*asked).stdout


def test_tells_in_which_clickhouse_single_requests_are(terminal: Terminal) -> None:
    kept = "gateway: {records: 'postgres://db/t', archive: 'clickhouses://ch/t'}\n"
    write(terminal, PROVIDERS + kept)

    assert "\n  archive  clickhouses://ch/t\n" in terminal.run("check").stdout
    assert terminal.json("check")["archive"] == "clickhouses://ch/t"


def test_names_a_driver_that_is_missing_with_its_remedy(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "clickhouse_connect", None)
    kept = "gateway: {records: 'postgres://db/t', archive: 'clickhouses://ch/t'}\n"
    write(terminal, PROVIDERS + kept)

    said = terminal.run("check", code=1).stderr

    assert "run `pip install 'trimtab[clickhouse]'`" in said
