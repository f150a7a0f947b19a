from pathlib import Path

from tests.cost.reconcile.books import AFTER, DAY

from trimtab.cost.reconcile import kept as module
from trimtab.cost.reconcile.kept import Kept
from trimtab.cost.reconcile.report import Class, Finding, Report
from trimtab.domain.adjustment import Adjustment

PROPOSED = Adjustment(
    id="adj_1", day=DAY, provider="one", account="all", model="gpt-5", cost_nano=-5
)
FOUND = Finding(
    day=DAY,
    provider="one",
    account="all",
    model="gpt-5",
    kind=Class.MISSING_THEIRS,
    adjustment=PROPOSED,
)
REPORT = Report(compared_us=7, days=(DAY, AFTER), providers=("one", "two"), findings=(FOUND,))


def test_a_report_is_kept_by_day_and_provider(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "reconcile")

    kept.put(REPORT)

    found = kept.find(DAY, "one")
    assert found == Report(compared_us=7, days=(DAY,), providers=("one",), findings=(FOUND,))
    empty = kept.find(AFTER, "two")
    assert empty == Report(compared_us=7, days=(AFTER,), providers=("two",))
    assert kept.find(DAY, "three") is None
    assert [it.days for it in kept.newest()] == [(AFTER,), (AFTER,), (DAY,), (DAY,)]


def test_a_later_report_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.put(REPORT)
    assert kept.proposal("adj_1") == PROPOSED

    kept.put(Report(compared_us=8, days=(DAY,), providers=("one",)))

    assert kept.proposal("adj_1") is None


def test_what_cannot_be_read_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.put(REPORT)
    (tmp_path / f"{DAY}.one.json").write_text("{")

    assert kept.find(DAY, "one") is None
    assert len(list(kept.newest())) == 3


def test_old_reports_go(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    for number in range(module.MOST_FILES + 3):
        (tmp_path / f"2020-01-{number % 28 + 1:02d}.p{number}.json").write_text("{}")

    kept.put(REPORT)

    assert len(list(tmp_path.iterdir())) == module.MOST_FILES
    assert kept.find(DAY, "one") is not None


def test_nothing_is_known_before_the_first_report(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "none")

    assert list(kept.newest()) == []
    assert kept.drifts() == {}
    assert kept.reconciled_to() is None


def test_it_is_reconciled_to_the_last_day_of_which_all_bills_are_whole(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.put(REPORT)
    assert kept.reconciled_to() == AFTER

    cut = Finding(
        day=AFTER, provider="two", account="", model="", kind=Class.FETCH_INCOMPLETE, evidence="cut"
    )
    kept.put(Report(compared_us=8, days=(AFTER,), providers=("two",), findings=(cut,)))

    assert kept.reconciled_to() == DAY
