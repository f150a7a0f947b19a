"""What the command prints, and how it exits, over reports made by hand."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from trimtab.cli import program
from trimtab.cli import reconcile as module
from trimtab.cost.reconcile.report import Class, Finding, PriceChange, Report
from trimtab.domain.adjustment import Adjustment

Run = Callable[..., Result]
CENT = 10_000_000
DAY = "2026-11-22"


def found(kind: Class, ours: int, theirs: int, **fields: object) -> Finding:
    members = {"provider": "openai", "account": "proj_apps", "model": "gpt-5", **fields}
    return Finding(
        day=DAY,
        kind=kind,
        ours_nano=ours * CENT,
        theirs_nano=theirs * CENT,
        **members,  # pyright: ignore[reportArgumentType]
    )


def report(*findings: Finding) -> Report:
    providers = tuple(sorted({it.provider for it in findings}))
    return Report(compared_us=1, days=(DAY,), providers=providers, findings=findings)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command as if a comparison had found a report."""

    def go(made: Report, *options: str) -> Result:
        async def found_now(*_: object) -> Report:
            return made

        monkeypatch.setattr(module, "reconcile_now", found_now)
        words = ("reconcile", "--day", DAY, "--home", str(tmp_path), *options)
        return CliRunner().invoke(program, words)

    return go


MATCH = found(Class.MATCH, 120_411, 120_411, provider="anthropic", account="ws_prod")
EXTERNAL = found(
    Class.EXTERNAL_TRAFFIC,
    0,
    1_455,
    model="gpt-4o",
    evidence="key key_9f2a is not ours",
    adjustment=Adjustment(
        id="adj_1",
        day=DAY,
        provider="openai",
        account="proj_apps/key_9f2a",
        model="gpt-4o",
        cost_nano=1_455 * CENT,
    ),
)
DRIFT = found(
    Class.PRICE_DRIFT,
    10_102,
    9_092,
    evidence="gpt-5 output implied 9.00, list says 10.00",
    prices=(PriceChange(token_class="output", implied="9.00", listed="10.00"),),  # noqa: S106
)


def test_a_report_is_a_table_with_what_can_be_done(run: Run) -> None:
    result = run(report(MATCH, EXTERNAL, DRIFT))

    assert result.exit_code == 1
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    assert lines == [
        "provider account model ours USD theirs USD difference class evidence",
        "anthropic ws_prod gpt-5 1,204.11 1,204.11 0.00 match",
        "openai proj_apps gpt-4o 0.00 14.55 +14.55 external_traffic key key_9f2a is not ours",
        f"openai proj_apps gpt-5 101.02 90.92 -10.10 price_drift {DRIFT.evidence}",
        "14.55 USD can be booked: trimtab reconcile --accept adj_1 --reason '...'",
        "price of openai/gpt-5: check the provider's list, then change the price and reprice",
        "unattributed 14.55 USD. Exit 1: 1 class needs action (price_drift).",
    ]


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (report(MATCH), 0),
        (report(MATCH, EXTERNAL), 0),
        (report(found(Class.LATE, 5, 3)), 0),
        (report(found(Class.MISSING_OURS, 3, 5)), 1),
        (report(found(Class.MISSING_THEIRS, 5, 3)), 1),
        (report(found(Class.UNIT_OR_CURRENCY, 5, 500)), 1),
        (report(MATCH, found(Class.FETCH_INCOMPLETE, 0, 0)), 4),
        (report(DRIFT, found(Class.FETCH_INCOMPLETE, 0, 0)), 4),
    ],
)
def test_the_exit_code_says_whether_somebody_must_act(run: Run, made: Report, code: int) -> None:
    assert run(made).exit_code == code
    told = run(made, "--json")
    assert (told.exit_code, json.loads(told.output)["exit_code"]) == (code, code)


def test_json_holds_everything_exactly(run: Run) -> None:
    told = json.loads(run(report(EXTERNAL), "--json").output)

    assert told["unattributed_nano"] == 1_455 * CENT
    assert told["findings"][0]["theirs_nano"] == 1_455 * CENT
    assert told["findings"][0]["adjustment"]["id"] == "adj_1"


def test_what_is_as_expected_takes_one_row_an_account(run: Run) -> None:
    second = found(Class.MATCH, 100, 100, provider="anthropic", account="ws_prod", model="claude")

    assert "2 models  1,205.11    1,205.11" in run(report(MATCH, second)).output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--day", "soon"), "'soon' cannot be read"),
        (("--day", "2999-01-01"), "not here yet"),
        (("--month", "2999-01"), "no day of 2999-01 is over yet"),
        (("--month", "2026"), "'2026' cannot be read"),
        (("--day", "2020-01-01", "--month", "2020-01"), "a day or a month"),
        (("--accept", "adj_1"), "needs a reason"),
        (("--accept", "adj_1", "--reason", "because"), "nothing is proposed as 'adj_1'"),
        ((), "does not say how to read the bill of any provider"),
    ],
)
def test_what_cannot_be_asked_is_told(
    tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    result = CliRunner().invoke(program, ("reconcile", "--home", str(tmp_path), *options))

    assert result.exit_code == 2
    assert message in result.stderr


def test_a_month_is_all_its_days() -> None:
    days = module._days(None, "2024-02")  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]

    assert (len(days), days[0], days[-1]) == (29, "2024-02-01", "2024-02-29")
