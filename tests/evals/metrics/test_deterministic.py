import csv
import json
import math
from typing import Any

import pytest
from tests.services import recorded

from trimtab.domain.yaml_tree import Wrong
from trimtab.evals.case import Case, Checks, shuffled
from trimtab.evals.metrics.base import Answer, Parts, Score, Status
from trimtab.evals.metrics.pattern import compiled
from trimtab.evals.metrics.table import make_metric
from trimtab.testing import ScriptedEmbedder, ScriptedJudge

ARMSTRONG = "What exact words did Neil Armstrong say on the moon?"
"""Of the wrong answers, the one that differs by no more than an article."""

NO_CHECKS = Checks()
NOBODY = ScriptedJudge({})
EMBEDDER = ScriptedEmbedder({"a": [1, 0], "b": [1, 1], "c": [-1, 0], "n": [0, 0], "l": [1, 2, 3]})


async def scored(
    metric: str,
    answer: str | Answer,
    expected: Any = None,  # noqa: ANN401
    *,
    checks: Checks = NO_CHECKS,
    choices: list[str] | None = None,
    **options: Any,  # noqa: ANN401
) -> Score:
    made = make_metric(metric, options, Parts(embedder=EMBEDDER))
    asked = {"question": "q"} | ({"choices": choices} if choices else {})
    case = Case(id="x", input=asked, expected=expected, checks=checks)
    return await made.score(
        case, Answer(text=answer) if isinstance(answer, str) else answer, NOBODY
    )


@pytest.mark.parametrize(
    ("metric", "answer", "expected", "options", "value"),
    [
        ("exact_match", " Yes,\n within  14 days", "Yes, within 14 days", {}, 1),
        ("exact_match", "yes, within 14 days", "Yes, within 14 days", {}, 0),
        ("exact_match", "yes, within 14 days", "Yes, within 14 days", {"casefold": True}, 1),
        ("exact_match", "Yes", "Yes!", {"strip_punctuation": True}, 1),
        ("exact_match", "The day", "day", {"strip_articles": True}, 1),
        ("exact_match", "theday", "day", {"strip_articles": True}, 0),
        ("exact_match", "b", ("a", "b"), {}, 1),
        ("exact_match", "", "a", {}, 0),
        ("token_f1", "The cat sat", "a cat sat", {}, 1),
        ("token_f1", "cat cat dog", "cat", {}, 0.5),
        ("token_f1", "cat", ("dog", "cat mat"), {}, 2 / 3),
        ("token_f1", "", "cat", {}, 0),
        ("token_f1", "The cat", "cat", {"strip_articles": False}, 2 / 3),
        ("numeric", "It is 42.", "42", {}, 1),
        ("numeric", "It is $1,234.50!", "1234.5", {}, 1),
        ("numeric", "-5", "5", {}, 0),
        ("numeric", "\u22125", "-5", {}, 1),
        ("numeric", "1.5e3", "1500", {}, 1),
        ("numeric", "0.3", "0.1", {"abs": 0.2}, 1),
        ("numeric", "0.3000001", "0.1", {"abs": 0.2}, 0),
        ("numeric", "110", "100", {"rel": 0.1}, 1),
        ("numeric", "90", "100", {"rel": 0.09}, 0),
        ("numeric", "2 and 3", "3", {}, 0),
        ("numeric", "2 and 3", "3", {"take": "last"}, 1),
        ("numeric", "2 and 3", "3", {"take": "first"}, 0),
        ("numeric", "version 3.2.0 of x86", "3.2", {}, 0),
        ("numeric", "x86", "86", {}, 0),
        ("numeric", "1.2.3", "2.3", {}, 0),
        ("numeric", "none", "3", {}, 0),
        ("numeric", "9" * 100_000, "3", {}, 0),
        ("embedding_similarity", "a", "a", {}, 1),
        ("embedding_similarity", "a", ("c", "b"), {}, math.sqrt(0.5)),
        ("embedding_similarity", "a", "c", {}, 0),
        ("embedding_similarity", " ", "a", {}, 0),
        ("label_match", "Positive.", "positive", {"labels": ["positive", "negative"]}, 1),
        ("label_match", "negative", "positive", {"labels": ["positive", "negative"]}, 0),
    ],
)
async def test_compares_with_what_is_expected(
    metric: str, answer: str, expected: object, options: dict[str, Any], value: float
) -> None:
    score = await scored(metric, answer, expected, **options)

    assert score.value == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize(
    "metric", ["exact_match", "token_f1", "numeric", "label_match", "embedding_similarity"]
)
@pytest.mark.parametrize("expected", [None, {"an": "object"}])
async def test_where_no_text_is_expected_there_is_nothing_to_compare(
    metric: str, expected: object
) -> None:
    assert (await scored(metric, "a", expected)).status is Status.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("answer", "texts", "has", "lacks"),
    [
        ("Refunds take 14 days", ["14", "days"], 1, 0),
        ("Refunds take 14 days", ["14", "weeks"], 0, 0),
        ("Refunds take a while", ["14", "days"], 0, 1),
    ],
)
async def test_has_all_texts_or_none(answer: str, texts: list[str], has: int, lacks: int) -> None:
    checks = Checks(contains=tuple(texts), not_contains=tuple(texts))

    assert (await scored("contains", answer, texts=texts)).value == has
    assert (await scored("not_contains", answer, texts=texts)).value == lacks
    assert (await scored("contains", answer, checks=checks)).value == has
    assert (await scored("not_contains", answer, checks=checks)).value == lacks


async def test_flags_count_for_texts_to_look_for() -> None:
    assert (await scored("contains", "14 DAYS", texts=["14  days"])).value == 0
    assert (await scored("contains", "14 DAYS", texts=["14  days"], casefold=True)).value == 1


async def test_a_check_of_nothing_is_no_check_that_passes() -> None:
    score = await scored("contains", "x", checks=Checks(contains=("!",)), strip_punctuation=True)

    assert (score.status, score.code) == (Status.ERROR, "empty_text")


@pytest.mark.parametrize("metric", ["contains", "not_contains", "regex", "refuses"])
async def test_a_case_without_checks_has_nothing_to_check(metric: str) -> None:
    assert (await scored(metric, "x")).status is Status.NOT_APPLICABLE


async def test_a_pattern_is_searched_for() -> None:
    assert (await scored("regex", "in 14 days", pattern=r"\b\d+ days$")).value == 1
    assert (await scored("regex", "in 14 weeks", pattern=r"\b\d+ days$")).value == 0
    assert (await scored("regex", "A\nb", checks=Checks(regex="(?m)^b$"))).value == 1
    assert (await scored("regex", "\ud800", pattern="a")).value == 0


async def test_a_pattern_of_a_case_that_is_none_is_an_error() -> None:
    score = await scored("regex", "x", checks=Checks(regex="("))

    assert (score.status, score.code) == (Status.ERROR, "no_pattern")


def test_no_pattern_takes_more_than_linear_time() -> None:
    assert not compiled(r"^(a+)+$")("a" * 100_000 + "!")
    for pattern in (r"(a)\1", "(?=a)", "(", "a{100000}{100000}"):
        with pytest.raises(Wrong):
            compiled(pattern)


SCHEMA = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("answer", "fence", "value", "detail"),
    [
        ('{"a": 1}', False, 1, ""),
        ('{"a": "secret"}', False, 0, "/a: "),
        ("{}", False, 0, "/: "),
        ('```json\n{"a": 1}\n```', False, 0, "is no JSON"),
        ('```json\n{"a": 1}\n```', True, 1, ""),
        ('{"a": 1}', True, 1, ""),
        ('Sure: {"a": 1}', True, 0, "is no JSON"),
        ('{"a": NaN}', False, 0, "is no JSON"),
        ("", False, 0, "is no JSON"),
        ('{"a": ' + "[" * 100_000, False, 0, "is no JSON"),
        ('{"a": ' + "[" * 900 + "]" * 900 + "}", False, 0, "is no JSON"),
        ('{"a": 99999999999999999999999999}', False, 1, ""),
        ('{"a": 1e400}', False, 0, "is no JSON"),
        ('{"a": "\ud800"}', False, 0, "is no JSON"),
    ],
)
async def test_an_answer_is_json_of_a_schema(
    answer: str, *, fence: bool, value: float, detail: str
) -> None:
    score = await scored("json_schema", answer, schema=SCHEMA, fence=fence)

    assert score.value == value
    assert score.detail.startswith(detail)
    assert "secret" not in score.detail


def test_another_schema_is_another_version() -> None:
    one, other = (make_metric("json_schema", {"schema": it}, Parts()) for it in (SCHEMA, {}))

    assert one.about.version != other.about.version


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("It was GOOD", "good"),
        ("it was bad", "bad"),
        ("good and bad", "?"),
        ("so so", "?"),
    ],
)
async def test_an_answer_is_taken_for_the_one_label_whose_pattern_it_has(
    answer: str, label: str
) -> None:
    labels = {"good": "(?i)good", "bad": "(?i)bad"}
    score = await scored("label_match", answer, "good", labels=labels)

    assert (score.label, score.value) == (label, label == "good")


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("(B)", "no"),
        (" b ", "no"),
        ("B. no", "no"),
        ("(b) because", "no"),
        ("No!", "no"),
        ("C: maybe", "maybe"),
        ("(D)", "?"),
        ("A dog", "?"),
        ("yes or no", "?"),
        ("", "?"),
    ],
)
async def test_a_choice_is_named_by_its_letter_or_its_text(answer: str, label: str) -> None:
    score = await scored("label_match", answer, "no", choices=["yes", "no", "maybe"])

    assert (score.label, score.value) == (label, label == "no")


async def test_what_is_expected_must_be_a_label() -> None:
    score = await scored("label_match", "a", "b", labels=["a", "c"])

    assert (score.status, score.code) == (Status.ERROR, "unknown_label")


@pytest.mark.parametrize(
    ("metric", "answer", "value"),
    [
        ("cost_usd", Answer(text="", cost_nano=1_500_000), 0.0015),
        ("latency_s", Answer(text="", latency_s=2.5), 2.5),
        ("output_tokens", Answer(text="", output_tokens=0), 0),
    ],
)
async def test_figures_come_from_the_record(metric: str, answer: Answer, value: float) -> None:
    assert (await scored(metric, answer)).value == value
    missing = await scored(metric, "x")
    assert (missing.status, missing.code) == (Status.ERROR, "not_measured")


@pytest.mark.parametrize("answer", ["n", "l"])
async def test_vectors_that_cannot_be_compared_are_an_error(answer: str) -> None:
    score = await scored("embedding_similarity", answer, "a")

    assert (score.status, score.code) == (Status.ERROR, "judge_unreadable")


async def test_without_an_embedding_model_nothing_is_similar() -> None:
    made = make_metric("embedding_similarity", {}, Parts())
    score = await made.score(Case(id="x", input={}, expected="a"), Answer(text="a"), NOBODY)

    assert (score.status, score.code) == (Status.ERROR, "no_embedder")


async def test_truthfulqa_by_exact_match_and_token_f1() -> None:
    with (recorded("evals") / "truthfulqa/TruthfulQA.csv").open() as file:
        rows = list(csv.DictReader(file))
    loose = {"casefold": True, "strip_punctuation": True, "strip_articles": True}

    async def values(metric: str, column: str, **options: bool) -> list[float]:
        made = make_metric(metric, options, Parts())
        found = list[float]()
        for it in rows:
            accepted = tuple(map(str.strip, it["Correct Answers"].split(";")))
            case = Case(id="x", input={}, expected=tuple(filter(None, accepted)))
            score = await made.score(case, Answer(text=it[column]), NOBODY)
            assert score.value is not None
            found.append(score.value)
        return found

    assert sum(await values("exact_match", "Best Answer")) == 790
    assert sum(await values("exact_match", "Best Answer", **loose)) == 790
    assert sum(await values("exact_match", "Best Incorrect Answer")) == 0
    wrong = await values("exact_match", "Best Incorrect Answer", **loose)
    assert [rows[at]["Question"] for at, it in enumerate(wrong) if it] == [ARMSTRONG]
    assert sum(await values("token_f1", "Best Answer")) == 790
    f1 = await values("token_f1", "Best Incorrect Answer")
    assert round(sum(f1) / len(f1), 6) == 0.571600


async def test_truthfulqa_answers_of_always_the_first_choice() -> None:
    tasks = json.loads((recorded("evals") / "truthfulqa/mc_task.json").read_text())
    made = make_metric("label_match", {}, Parts())
    cases = [
        Case(
            id=f"t-{number}",
            input={"question": it["question"], "choices": list(it["mc1_targets"])},
            expected=next(text for text, right in it["mc1_targets"].items() if right),
        )
        for number, it in enumerate(tasks)
    ]

    async def right(shown: list[Case]) -> float:
        scores = [await made.score(it, Answer(text="(A)"), NOBODY) for it in shown]
        return sum(it.value or 0 for it in scores)

    chances = [1 / len(it.choices) for it in cases]
    deviation = math.sqrt(sum(it * (1 - it) for it in chances))
    assert await right(cases) == 790
    assert abs(await right(list(map(shuffled, cases))) - sum(chances)) < 2.5 * deviation
