"""One case for each class, by hand and on three ledgers made by chance."""

from collections.abc import Callable, Sequence
from dataclasses import replace as with_members

import pytest
from msgspec.structs import replace
from tests.cost.reconcile.books import (
    AFTER,
    BEFORE,
    DAY,
    MODELS,
    OWNED,
    PRICES,
    Cell,
    bill,
    chance_cells,
    ledger,
    now_us,
)

from trimtab.cost.reconcile.compare import NANO, TOKENS, compare
from trimtab.cost.reconcile.report import Class, Finding, Report
from trimtab.cost.reconcile.statement import Ownership, Statement
from trimtab.store.base.ledger import Billed

CELL = Cell()
YOUNG, OLD = 24.0, 72.0


def report(
    ours: Sequence[Billed],
    theirs: Statement,
    hours: float = YOUNG,
    owned: Ownership = OWNED,
    days: Sequence[str] = (DAY,),
) -> Report:
    return compare(
        ours,
        [theirs],
        {"p": owned},
        days,
        now_us=now_us(hours),
        prices=lambda _provider, _model, _at_us: PRICES,
    )


def only(found: Report) -> Finding:
    (finding,) = found.findings
    return finding


def test_equal_books_match_to_the_nano_dollar() -> None:
    found = only(report(ledger([CELL]), bill([CELL])))

    assert (found.kind, found.difference_nano, found.evidence) == (Class.MATCH, 0, "")
    assert found.ours_nano == sum(CELL.nano.values())
    assert (found.account, found.model) == ("proj_apps", "gpt-5")
    assert (
        found.ours_tokens
        == found.theirs_tokens
        == {
            "input": 4_000_000,
            "cached": 1_000_000,
            "output": 500_000,
        }
    )


def test_a_day_without_traffic_has_no_finding_and_is_told_as_compared() -> None:
    found = report([], Statement(provider="p"))

    assert (found.findings, found.days, found.providers) == ((), (DAY,), ("p",))
    assert found.drift_ratio("p") is None


@pytest.mark.parametrize(
    ("ours", "theirs", "kind"),
    [
        pytest.param(100, 100 + TOKENS, Class.ROUNDING, id="a thousand"),
        pytest.param(100, 101 + TOKENS, Class.MISSING_OURS, id="one more"),
        pytest.param(4_000_000, 4_004_000, Class.ROUNDING, id="a tenth of a percent"),
        pytest.param(4_000_000, 4_004_006, Class.MISSING_OURS, id="more than that"),
    ],
)
def test_tokens_have_a_tolerance(ours: int, theirs: int, kind: Class) -> None:
    mine, told = (Cell(input=it, cached=0, output=0) for it in (ours, theirs))

    assert only(report(ledger([mine]), bill([told]))).kind is kind


def test_money_has_a_tolerance_of_a_dollar_or_half_a_percent() -> None:
    def found(more: int, cell: Cell = CELL) -> Class:
        told = bill([cell])
        charged = (replace(told.charged[0], nano=told.charged[0].nano + more), *told.charged[1:])
        return only(report(ledger([cell]), replace(told, charged=charged))).kind

    assert (found(1), found(NANO), found(NANO + 1)) == (
        *(Class.ROUNDING, Class.ROUNDING, Class.PRICE_DRIFT),
    )
    assert found(2 * NANO, CELL.times(100)) is Class.ROUNDING


def test_estimates_of_ours_are_named_as_evidence() -> None:
    theirs = with_members(CELL, output=CELL.output + 400)

    found = only(report(ledger([CELL], guessed=3), bill([theirs])))

    assert (found.kind, found.evidence) == (Class.ROUNDING, "3 of our lines are estimates")


def test_rows_that_are_missing_are_late_until_the_day_is_72_hours_old() -> None:
    def found(hours: float) -> Finding:
        return only(report(ledger([CELL]), bill([CELL.times(0.5)]), hours))

    assert (found(71.9).kind, found(72).kind) == (Class.LATE, Class.MISSING_THEIRS)
    assert "2,750,000 tokens, of ours 5,500,000" in found(71).evidence
    late, missing = found(71).adjustment, found(72).adjustment
    assert late is None
    assert missing is not None
    assert missing.cost_nano == -sum(CELL.times(0.5).nano.values())
    assert missing.tokens == {"input": -2_000_000, "cached": -500_000, "output": -250_000}


def test_money_that_is_not_told_yet_is_late() -> None:
    theirs = replace(bill([CELL]), charged=())

    assert only(report(ledger([CELL]), theirs)).kind is Class.LATE
    assert only(report(ledger([CELL]), theirs, OLD)).kind is Class.PRICE_DRIFT


def test_more_of_theirs_on_a_key_of_ours_is_missing_in_our_ledger() -> None:
    found = report(ledger([CELL.times(0.5)]), bill([CELL]), OLD)

    assert only(found).kind is Class.MISSING_OURS
    assert found.unattributed_nano == only(found).difference_nano > 0
    adjustment = only(found).adjustment
    assert adjustment is not None
    assert adjustment.cost_nano == only(found).difference_nano


def test_a_model_that_we_never_called_is_missing_too() -> None:
    found = report(ledger([CELL]), bill([CELL, Cell(model="gpt-4o")]))

    assert [it.kind for it in found.findings] == [Class.MISSING_OURS, Class.MATCH]


@pytest.mark.parametrize(
    ("account", "key_id", "label", "evidence"),
    [
        ("proj_apps", "key_else", "proj_apps/key_else", "key key_else is not ours"),
        ("proj_else", "key_ours", "proj_else/key_ours", "key key_ours is not ours"),
    ],
)
@pytest.mark.parametrize("keyless", [True, False])
def test_what_others_use_is_external_and_never_spread(
    account: str, key_id: str, label: str, evidence: str, *, keyless: bool
) -> None:
    other = Cell(account=account, key_id=key_id).times(0.3)

    found = report(ledger([CELL]), bill([CELL, other], keyless=keyless))

    ours, theirs = found.findings
    assert (ours.kind, ours.difference_nano) == (Class.MATCH, 0)
    assert (theirs.kind, theirs.account, theirs.evidence) == (
        *(Class.EXTERNAL_TRAFFIC, label, evidence),
    )
    assert found.unattributed_nano == sum(other.nano.values())
    assert found.needing_action == ()


def test_without_accounts_everything_is_ours_as_one() -> None:
    other = Cell(account="proj_else", key_id="key_else")

    found = only(report(ledger([CELL, CELL]), bill([CELL, other]), owned=Ownership()))

    assert (found.kind, found.account) == (Class.MATCH, "all")


def test_a_price_that_the_provider_changed_is_told_by_kind_of_token() -> None:
    theirs = bill([CELL])
    cheaper = tuple(
        replace(it, nano=it.nano * 8 // 10) if it.token_class == "output" else it  # noqa: S105
        for it in theirs.charged
    )

    found = only(report(ledger([CELL]), replace(theirs, charged=cheaper)))

    assert found.kind is Class.PRICE_DRIFT
    assert found.evidence == "gpt-5 output implied 12.00, list says 15.00"
    assert [(it.token_class, it.implied, it.listed) for it in found.prices] == [
        ("output", "12.00", "15.00")
    ]
    assert found.adjustment is None


@pytest.mark.parametrize(
    ("factor", "evidence"),
    [(100, "100 times ours"), (0.01, "1/100 of ours"), (1000, "1000 times"), (0.001, "1/1000")],
)
def test_a_hundred_or_a_thousand_times_is_another_unit(factor: float, evidence: str) -> None:
    found = only(report(ledger([CELL]), bill([CELL], priced=factor)))

    assert found.kind is Class.UNIT_OR_CURRENCY
    assert evidence in found.evidence


def test_what_is_odd_about_amounts_is_a_unit_even_if_they_match() -> None:
    theirs = replace(bill([CELL]), oddities=("amounts are in 'eur'",))

    found = only(report(ledger([CELL]), theirs))

    assert (found.kind, found.evidence) == (Class.UNIT_OR_CURRENCY, "amounts are in 'eur'")


def test_one_model_of_ours_may_be_two_dates_of_theirs() -> None:
    half = CELL.times(0.5)
    dates = [with_members(half, model=f"gpt-5-2025-0{n}-01") for n in (1, 2)]

    found = only(report(ledger([CELL]), bill(dates)))

    assert (found.kind, found.difference_nano) == (Class.MODEL_ALIAS, 0)
    assert found.evidence == "told as gpt-5-2025-01-01, gpt-5-2025-02-01"


def test_an_alias_may_be_told_under_names_that_are_not_alike() -> None:
    latest = with_members(CELL, model="chat-latest")
    half = [with_members(CELL.times(0.5), model=it) for it in ("gpt-5", "gpt-5-mini")]
    other = with_members(CELL, model="o9")

    found = report(ledger([latest, other]), bill([*half, other]))

    assert [(it.model, it.kind) for it in found.findings] == [
        *(("chat-latest", Class.MODEL_ALIAS), ("o9", Class.MATCH)),
    ]
    assert found.findings[0].difference_nano == 0


def test_a_name_of_theirs_explains_one_alias_only() -> None:
    ours = [with_members(CELL, model=it) for it in ("chat-a", "chat-b")]

    found = report(ledger(ours), bill([CELL]), OLD)

    assert [it.kind for it in found.findings] == [Class.MODEL_ALIAS, Class.MISSING_THEIRS]
    assert sum(it.theirs_nano for it in found.findings) == sum(CELL.nano.values())


def test_days_that_are_equal_together_are_cut_elsewhere() -> None:
    ours = [CELL, with_members(CELL, day=AFTER), with_members(CELL, day=BEFORE)]
    late = with_members(CELL.times(0.75), day=DAY)
    more = with_members(CELL.times(1.25), day=AFTER)

    found = only(report(ledger(ours), bill([late, more, ours[2]])))

    assert (found.kind, found.evidence) == (
        Class.DAY_BOUNDARY,
        f"together with {AFTER} the sums are equal",
    )


def test_a_statement_that_is_not_whole_is_never_compared() -> None:
    theirs = replace(bill([CELL.times(0.1)]), incomplete="the pages are cut off")

    found = report(ledger([CELL]), theirs, days=(DAY, AFTER))

    assert [(it.day, it.kind, it.ours_nano, it.theirs_nano) for it in found.findings] == [
        (day, Class.FETCH_INCOMPLETE, 0, 0) for day in (DAY, AFTER)
    ]
    assert not found.is_complete
    assert found.drift_ratio("p") is None


@pytest.mark.parametrize(
    ("costs", "hours", "kind"),
    [
        pytest.param(True, YOUNG, Class.FETCH_INCOMPLETE, id="usage empty, costs not"),
        pytest.param(False, YOUNG, Class.LATE, id="nothing yet"),
        pytest.param(False, OLD, Class.FETCH_INCOMPLETE, id="nothing of an old day"),
    ],
)
def test_a_day_may_be_too_empty_to_be_true(hours: float, kind: Class, *, costs: bool) -> None:
    theirs = replace(bill([CELL]), used=())

    found = only(report(ledger([CELL]), theirs if costs else replace(theirs, charged=()), hours))

    assert found.kind is kind


def test_adjustments_that_were_accepted_count_on_our_side() -> None:
    other = Cell(account="proj_apps", key_id="key_else")
    booked = replace(ledger([other])[0], account="at:proj_apps/key_else", model_sent="gpt-5")

    found = report([*ledger([CELL]), booked], bill([CELL, other]))

    assert {it.kind for it in found.findings} == {Class.MATCH}
    assert found.unattributed_nano == 0


def test_a_proposal_keeps_its_id_until_something_was_booked() -> None:
    def proposed(ours: Cell) -> str:
        adjustment = only(report(ledger([ours]), bill([CELL]), OLD)).adjustment
        assert adjustment is not None
        return adjustment.id

    assert proposed(CELL.times(0.5)) == proposed(CELL.times(0.5)) != proposed(CELL.times(0.4))


Inject = Callable[[list[Cell], str], tuple[list[Cell], list[Cell], float]]


def _same(cells: list[Cell], _model: str) -> tuple[list[Cell], list[Cell], float]:
    return cells, cells, 1


def _at(
    cells: list[Cell], model: str, day: str, change: Callable[[Cell], list[Cell]]
) -> list[Cell]:
    return [
        new for it in cells for new in (change(it) if (it.model, it.day) == (model, day) else [it])
    ]


def _scaled(factor: float, *, ours: bool = False) -> Inject:
    def inject(cells: list[Cell], model: str) -> tuple[list[Cell], list[Cell], float]:
        changed = _at(cells, model, DAY, lambda it: [it.times(factor)])
        return (changed, cells, 1) if ours else (cells, changed, 1)

    return inject


def _outside(cells: list[Cell], model: str) -> tuple[list[Cell], list[Cell], float]:
    return cells, [*cells, Cell(model=model, key_id="key_else")], 1


def _priced(factor: float) -> Inject:
    return lambda cells, _model: (cells, cells, factor)


def _dates(cells: list[Cell], model: str) -> tuple[list[Cell], list[Cell], float]:
    def two(cell: Cell) -> list[Cell]:
        half = cell.times(0.5)
        return [with_members(half, model=f"{model}-2025-0{n}-01") for n in (1, 2)]

    return cells, _at(cells, model, DAY, two), 1


def _moved(cells: list[Cell], model: str) -> tuple[list[Cell], list[Cell], float]:
    (today,) = [it for it in cells if (it.model, it.day) == (model, DAY)]
    left = today.times(0.6)

    def more(cell: Cell) -> list[Cell]:
        return [
            with_members(
                cell,
                input=cell.input + today.input - left.input,
                cached=cell.cached + today.cached - left.cached,
                output=cell.output + today.output - left.output,
            )
        ]

    theirs = _at(_at(cells, model, DAY, lambda _: [left]), model, AFTER, more)
    return cells, theirs, 1


CASES: dict[str, tuple[Inject, float, Class]] = {
    "match": (_same, OLD, Class.MATCH),
    "late": (_scaled(0.7), YOUNG, Class.LATE),
    "missing theirs": (_scaled(0.7), OLD, Class.MISSING_THEIRS),
    "missing ours": (_scaled(0.7, ours=True), OLD, Class.MISSING_OURS),
    "external": (_outside, OLD, Class.EXTERNAL_TRAFFIC),
    "price raised": (_priced(1.2), OLD, Class.PRICE_DRIFT),
    "price lowered": (_priced(0.8), YOUNG, Class.PRICE_DRIFT),
    "cents": (_priced(100), OLD, Class.UNIT_OR_CURRENCY),
    "alias": (_dates, OLD, Class.MODEL_ALIAS),
    "local time": (_moved, OLD, Class.DAY_BOUNDARY),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("case", CASES)
def test_each_fault_is_named_on_ledgers_made_by_chance(case: str, seed: int) -> None:
    inject, hours, expected = CASES[case]
    model = MODELS[seed]
    ours, theirs, priced = inject(chance_cells(seed), model)

    found = report(ledger(ours), bill(theirs, priced=priced), hours)

    hit = [it for it in found.findings if it.kind is expected]
    rest = [it for it in found.findings if it.kind is not expected]
    everywhere = expected in (Class.MATCH, Class.PRICE_DRIFT, Class.UNIT_OR_CURRENCY)
    assert {it.model for it in hit} == (set(MODELS) if everywhere else {model})
    assert all(it.kind is Class.MATCH and not it.difference_nano for it in rest)
    told = sum(round(nano * priced) for it in theirs if it.day == DAY for nano in it.nano.values())
    assert sum(it.theirs_nano for it in found.findings) == told
    written = sum(sum(it.nano.values()) for it in ours if it.day == DAY)
    assert sum(it.ours_nano for it in found.findings) == written
