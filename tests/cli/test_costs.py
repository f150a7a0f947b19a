import asyncio
from contextlib import closing

import pytest
from tests.cli.conftest import Terminal
from tests.records import finish

from trimtab.store.base import Batch
from trimtab.store.sqlite.recording import SqliteRecording

DAY_US = 86_400_000_000
NEW_YEAR_US = 1_767_225_600_000_000


@pytest.fixture
def books(company: Terminal) -> Terminal:
    """Three requests on three days of January, two of them of one prompt."""
    told = [
        {"prompt_name": "rag-answer", "prompt_version": "3.2.0", "feature": "=search"},
        {"prompt_name": "rag-answer", "prompt_version": "3.3.0", "feature": "=search"},
        {"feature": "chat"},
    ]
    finishes = [
        finish(n, tenant_id="acme", ts_us=NEW_YEAR_US + n * DAY_US, day_local="", **it)
        for n, it in enumerate(told)
    ]
    with closing(SqliteRecording(company.home / ".trimtab")) as store:
        asyncio.run(store.commit(Batch(finishes=tuple(finishes))))
    return company


def rows(books: Terminal, *arguments: str) -> list[tuple[str, int]]:
    told = books.json("costs", "--by", "day", *arguments)["rows"]
    return sorted((it["day"], it["requests"]) for it in told)


def test_a_span_of_days_has_both_its_ends(books: Terminal) -> None:
    assert rows(books, "--from", "2026-01-02", "--to", "2026-01-03") == [
        ("2026-01-02", 1),
        ("2026-01-03", 1),
    ]
    assert len(rows(books, "--month", "2026-01")) == 3


def test_the_cost_of_a_change_of_prompt_is_seen(books: Terminal) -> None:
    told = books.json("costs", "--month", "2026-01", "--by", "prompt_name,prompt_version")["rows"]

    assert {(it["prompt_name"], it["prompt_version"]): it["requests"] for it in told} == {
        ("rag-answer", "3.2.0"): 1,
        ("rag-answer", "3.3.0"): 1,
        ("", ""): 1,
    }


def test_csv_holds_no_formulas(books: Terminal) -> None:
    head, *lines = books.run(
        "costs", "--month", "2026-01", "--by", "feature", "--csv"
    ).stdout.splitlines()

    assert head.startswith("feature,requests,input_tokens")
    assert sorted(line.split(",")[:2] for line in lines) == [["'=search", "2"], ["chat", "1"]]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--month", "2026-13"), "cannot be read; write it as 2026-10"),
        (("--from", "yesterday"), "cannot be read; write it as 2026-10-01"),
        (("--from", "2026-01-03", "--to", "2026-01-01"), "the first day comes first"),
        (("--to", "2026-01-01"), "give a month, or the first day"),
        (("--month", "2026-01", "--from", "2026-01-01"), "give a month, or the first day"),
        (("--by", "mood"), "cannot group by 'mood'"),
    ],
)
def test_a_span_that_is_none_is_refused(
    company: Terminal, arguments: tuple[str, ...], told: str
) -> None:
    assert told in company.run("costs", *arguments, code=2).stderr
