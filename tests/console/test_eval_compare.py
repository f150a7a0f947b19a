"""Two evaluation runs side by side."""

import re
from pkgutil import resolve_name
from typing import Any

import pytest
from msgspec.structs import replace
from tests.console.conftest import START_US, Site
from tests.console.evaluating import (
    EVALS,
    HOSTILE_RUN,
    NEW,
    OLD,
    UNDECIDED,
    fill_hostile_run,
    fill_runs,
    scored,
    store,
)

HERE = f"{EVALS}/compare?a={OLD}&b={NEW}"


def cases(html: str) -> list[str]:
    return re.findall(r'case=(q-\d+)#case"', html)


async def test_only_cases_that_differ_are_listed_the_worst_first(site: Site) -> None:
    fill_runs(site)
    await site.log_in("viewer")

    html = (await site.client.get(HERE)).text

    assert cases(html) == [f"q-{at:04d}" for at in (*range(1, 7), 58)]
    assert "60 cases are the same in both: 6 worse, 0 better, 1 with an error, 53 as before" in html
    assert "before rag-answer@3.3.0" in html


async def test_all_cases_can_be_asked_for(site: Site) -> None:
    fill_runs(site)
    await site.log_in("viewer")

    assert len(cases((await site.client.get(f"{HERE}&show=all")).text)) == 40


async def test_the_tests_are_computed_when_asked_for(site: Site) -> None:
    fill_runs(site)
    await site.log_in("viewer")

    plain = (await site.client.get(HERE)).text
    tested = (await site.client.get(f"{HERE}&tests=yes")).text

    assert "Compute them" in plain
    assert "whisker" not in plain
    table = tested.partition('id="tests"')[2].partition("</section>")[0]
    assert table.count('class="whisker') == 2
    assert ">Verdict<" not in table


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ("", 200, "Before"),
        (f"?a={OLD}", 400, "name two runs"),
        (f"?a={OLD}&b=ev_nobody", 404, "there is no run"),
        ("?a=ev_01KA&b=ev_01KA", 400, "runs begin with"),
        (f"?a={OLD}&b={NEW}&show=odd", 400, "no kind of cases"),
    ],
)
async def test_what_cannot_be_compared_says_why(
    site: Site, query: str, status: int, told: str
) -> None:
    fill_runs(site)
    await site.log_in("viewer")

    found = await site.client.get(f"{EVALS}/compare{query}")

    assert found.status_code == status
    assert told in found.text


async def test_runs_without_a_case_in_common_are_refused(site: Site) -> None:
    fill_runs(site)
    made = scored("ev_0X", 1, START_US)
    store(site, replace(made, cases=tuple(replace(it, hash="f" * 64) for it in made.cases)))
    await site.log_in("viewer")

    found = await site.client.get(f"{EVALS}/compare?a={OLD}&b=ev_0X")

    assert found.status_code == 400
    assert "no case in common" in found.text


async def test_nothing_in_either_run_is_markup(site: Site) -> None:
    fill_hostile_run(site)
    await site.log_in("viewer")

    html = (await site.client.get(f"{EVALS}/compare?a={HOSTILE_RUN}&b={HOSTILE_RUN}&show=all")).text

    assert "<img src=x" not in html
    assert "\u202e" not in html
    assert html.count("&lt;img src=x") > 5


def without(name: str) -> Any:  # noqa: ANN401 -- as `resolve_name` has it
    if name.startswith("trimtab.evals."):
        raise ModuleNotFoundError("No module named 'numpy'", name="numpy")
    return resolve_name(name)


async def test_without_numpy_it_says_what_to_install(site: Site) -> None:
    site.stores.load = without
    fill_runs(site)
    await site.log_in("viewer")

    compared = await site.client.get(HERE)
    figures = await site.client.get(f"{EVALS}/{UNDECIDED}?figures=now")
    run = await site.client.get(f"{EVALS}/{NEW}")

    assert compared.status_code == 200
    assert "pip install &#39;trimtab[stats]&#39;" in compared.text
    assert "pip install &#39;trimtab[stats]&#39;" in figures.text
    assert run.status_code == 200
    assert ".887" in run.text
