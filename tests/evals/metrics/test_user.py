import sys

import pytest

from trimtab.domain.yaml_tree import Wrong
from trimtab.evals.case import Case
from trimtab.evals.metrics.base import Answer, Parts, Score, Status
from trimtab.evals.metrics.table import make_metric
from trimtab.testing import ScriptedJudge

CODE = """\
from trimtab.evals.metrics.base import Score, Status

def short(case, answer):
    return len(answer.text) < 5

def share(case, answer):
    return 0.25

async def slow(case, answer):
    return 1

def whole(case, answer):
    return Score(status=Status.NOT_APPLICABLE, detail="no")

def broken(case, answer):
    raise KeyError(answer.text)

def high(case, answer):
    return 1.5

def nan(case, answer):
    return float("nan")

def nothing(case, answer):
    pass

number = 3
"""


@pytest.fixture(scope="module", autouse=True)
def _module(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("app")
    (folder / "app_metrics.py").write_text(CODE)
    sys.path.insert(0, str(folder))


async def scored(function: str) -> Score:
    made = make_metric("mine", {}, Parts(), python=f"app_metrics:{function}")
    return await made.score(Case(id="a", input={}), Answer(text="abc"), ScriptedJudge({}))


@pytest.mark.parametrize(("function", "value"), [("short", 1), ("share", 0.25), ("slow", 1)])
async def test_a_function_gives_a_truth_or_a_number(function: str, value: float) -> None:
    assert (await scored(function)).value == value


async def test_a_function_may_give_a_score() -> None:
    assert (await scored("whole")).status is Status.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("function", "detail"),
    [
        ("broken", "mine raised KeyError: 'abc'"),
        ("high", "mine gave 1.5; give a truth, a number of 0 to 1"),
        ("nan", "mine gave nan; "),
        ("nothing", "mine gave a NoneType; "),
    ],
)
async def test_whatever_goes_wrong_is_an_error_of_this_score(function: str, detail: str) -> None:
    score = await scored(function)

    assert (score.status, score.code, score.value) == (Status.ERROR, "metric_failed", None)
    assert score.detail.startswith(detail)


def test_another_text_of_a_function_is_another_version() -> None:
    one, other = (
        make_metric("mine", {}, Parts(), python=f"app_metrics:{it}") for it in ("short", "share")
    )

    assert one.about.version != other.about.version
    assert one.about.name == "mine"
    assert make_metric("m", {}, Parts(), python="json:JSONDecodeError").about.version
    assert make_metric("m", {}, Parts(), python="builtins:len").about.version == "unknown"


@pytest.mark.parametrize(
    "path", ["app_metrics:number", "app_metrics:none", "app_metrics", "no.such:f", ":", "a b:c"]
)
def test_what_is_no_function_is_refused(path: str) -> None:
    with pytest.raises(Wrong):
        make_metric("mine", {}, Parts(), python=path)
