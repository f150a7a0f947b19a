import json
from pathlib import Path

import msgspec
import pytest
from tests.evals.suites import row, suite_of, written

from trimtab.domain.errors import SettingsInvalid
from trimtab.evals.case import Kind
from trimtab.evals.manifest import make_metrics, read_suite
from trimtab.evals.suite import FloorMode, When

BOOK = """\
class: golden
target: {prompt: rag-answer, model: answers}
judge: {model: judge-pinned, max_tokens: 1024, embeddings: embedder}
metrics:
  faithfulness: {floor: 0.85, margin: 0.02, floor_mode: ci}
  answer_relevancy: {floor: 0.80, n: 5}
  json_schema: {floor: 1.0, schema: answer.schema.json, when: {tag: structured}, max_mde: 0.20}
  kind: {metric: rubric, rubric: "1 is rude, 5 is kind", floors: {lang:de: 0.5}, na_as: 0}
  cost_usd: {max: 0.01}
slices: [tags]
gate: {alpha: 0.01, max_usd: 5}
repeats: {first: 1, max: 5}
quarantine: {q-0: answers differ}
"""


def faults(folder: Path, body: str) -> list[str]:
    with pytest.raises(SettingsInvalid) as refused:
        suite_of(folder, body)
    return str(refused.value).replace(f"{folder}/", "").splitlines()


def test_reads_the_manifest_of_the_book(tmp_path: Path) -> None:
    (tmp_path / "answer.schema.json").write_text('{"type": "object"}')
    suite = suite_of(tmp_path, BOOK)

    assert (suite.name, suite.kind, len(suite.cases)) == ("rag-golden", Kind.GOLDEN, 1)
    assert suite.target is not None
    assert suite.target.prompt == "rag-answer"
    assert [it.name for it in suite.metrics] == [
        *("faithfulness", "answer_relevancy", "json_schema", "kind", "cost_usd"),
    ]
    faithful, relevant, schema, kind, cost = suite.metrics
    assert (faithful.floor, faithful.margin, faithful.floor_mode) == (0.85, 0.02, FloorMode.CI)
    assert relevant.options == {"n": 5}
    assert (schema.when, schema.max_mde) == (When("structured"), 0.20)
    assert (kind.metric, kind.floors, kind.na_as) == ("rubric", {"lang:de": 0.5}, 0)
    assert cost.max == 0.01
    assert (suite.gate.alpha, suite.gate.max_mde, suite.gate.max_usd) == (0.01, 0.10, 5)
    assert suite.places["q-0"] == (str(tmp_path / "cases.jsonl"), 1)
    assert make_metrics(suite).keys() == {it.name for it in suite.metrics}


def test_a_metric_of_a_tag_is_for_cases_that_have_it(tmp_path: Path) -> None:
    rows = [row(0), row(1, tags=["de", "long"])]
    body = "slices: [de]\nmetrics:\n  exact_match: {when: {tag: de}}\n  token_f1:\n"
    suite = suite_of(tmp_path, body, rows)

    assert [[it.applies(case) for case in suite.cases] for it in suite.metrics] == [
        [False, True],
        [True, True],
    ]
    assert [suite.slices_of(it) for it in suite.cases] == [(), ("de",)]
    everything = msgspec.structs.replace(suite, slices=("tags",))
    assert everything.slices_of(suite.cases[1]) == ("de", "long")


def test_checks_of_cases_bring_their_metrics(tmp_path: Path) -> None:
    rows = [row(0, checks={"regex": "a", "refuses": False}), row(1, checks={"contains": ["b"]})]
    suite = suite_of(tmp_path, "metrics: {must: {metric: contains, floor: 1}}\n", rows)

    assert [it.name for it in suite.metrics] == ["must", "refuses", "regex"]


def test_choices_are_shuffled_unless_the_manifest_says_otherwise(tmp_path: Path) -> None:
    choices = list("abcdefgh")
    rows = [row(0, input={"question": "?", "choices": choices}, expected="a")]

    assert suite_of(tmp_path, "shuffle_choices: false\n", rows).cases[0].choices == (*choices,)
    shown = suite_of(tmp_path, "", rows).cases[0].choices
    assert shown != (*choices,)
    assert sorted(shown) == choices


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("metrics: {faithfulnes: {}}", "metrics.faithfulnes: 'faithfulnes' is no metric; did you"),
        ("metrics: {exact_match: {case: true}}", "metrics.exact_match.case: is not known here; "),
        ("metrics: {exact_match: {floor: 1.5}}", "metrics.exact_match.floor: takes float <= 1.0"),
        ("metrics: {exact_match: 1}", "metrics.exact_match: is not a map; write {floor: 0.9}"),
        ("metrics: []", "metrics: is not a map; write"),
        ("metrics: {latency_s: {floor: 1}}", "metrics.latency_s: is better when it is lower"),
        ("metrics: {token_f1: {max: 1}}", "metrics.token_f1.max: is for what is better when"),
        ("metrics: {regex: {pattern: '(?=a)'}}", "metrics.regex: '(?=a)' is no pattern; write"),
        ("metrics: {contains: {texts: [' ']}}", "metrics.contains: texts[0] has nothing that"),
        ("metrics: {label_match: {labels: ['?']}}", "metrics.label_match: '?' is the label of"),
        ("metrics: {json_schema: {schema: x.json}}", "metrics.json_schema: schema 'x.json' cannot"),
        ("metrics: {json_schema: {schema: {type: 1}}}", "metrics.json_schema: schema is no good"),
        ("metrics: {rubric: {}}", "metrics.rubric: 'rubric' is missing; add it"),
        ("metrics: {rubric: {rubric: x, scale: 1}}", "metrics.rubric.scale: takes int >= 2"),
        ("metrics: {mine: {python: no_such:f}}", "metrics.mine: 'no_such:f' cannot be imported"),
        ("metrics: {mine: {python: json}}", "metrics.mine: 'json' is no function; write"),
        ("metrics: {mine: {python: 'json:dumps', k: 1}}", "metrics.mine: a function takes no op"),
        ("metrics: {regex: {python: 'json:dumps'}}", "metrics.regex: is the name of a metric of"),
        ("target: {prompt: a, http: b}", "target: is one of {prompt, model}, {python}"),
        ("target: {}", "target: is one of {prompt, model}, {python}"),
        ("gate: {alpha: 2}", "gate.alpha: takes float < 1.0"),
        ("gate: {alfa: 2}", "gate.alfa: is not known here; remove it"),
        ("repeats: {first: 3, max: 2}", "repeats.max: is less than `first`"),
        ("klass: golden", "klass: is not known here; did you mean 'class'?"),
        ("class: golden, adversarial", "class: invalid enum value 'golden, adversarial'"),
        ("judge: {}", "judge: 'model' is missing; add it"),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_member(
    tmp_path: Path, body: str, fault: str
) -> None:
    (found,) = faults(tmp_path, body)

    assert found.startswith(f"suite.yaml:4: {fault}"), found


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    body = "gate: {alpha: 2}\nmetrics:\n  regex: {pattern: '('}\n  exact_mach: {}\n"

    assert [it.split(":")[1] for it in faults(tmp_path, body)] == ["4", "6", "7"]


def test_faults_of_all_files_of_cases_are_told_at_once(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text("name: x\ncases: [cases.jsonl, b.jsonl, c.jsonl]\n")
    (tmp_path / "cases.jsonl").write_text("{")
    (tmp_path / "b.jsonl").write_text(f"{json.dumps(row(0))}\n1")

    with pytest.raises(SettingsInvalid) as refused:
        read_suite(path)

    assert [it.partition(": ")[0] for it in str(refused.value).splitlines()] == [
        f"{tmp_path}/cases.jsonl:1",
        f"{tmp_path}/b.jsonl:2",
        f"'{tmp_path}/c.jsonl' cannot be read (No such file or directory); look at its name",
    ]


def test_one_id_in_two_files_of_cases_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text("name: x\ncases: [cases.jsonl, b.jsonl]\n")
    (tmp_path / "b.jsonl").write_text(json.dumps(row(0)))

    with pytest.raises(SettingsInvalid, match=r"b.jsonl:1: id: 'q-0' is taken"):
        read_suite(path)


@pytest.mark.parametrize("name", ["suite.yaml", "cases.jsonl"])
def test_a_file_that_is_not_utf8_is_refused_with_its_line(tmp_path: Path, name: str) -> None:
    path = written(tmp_path)
    (tmp_path / name).write_bytes(b"\n\xff")

    with pytest.raises(SettingsInvalid, match=rf"{name}:2: this is not UTF-8; save it as UTF-8"):
        read_suite(path)


def test_metrics_that_cannot_be_made_any_more_are_told(tmp_path: Path) -> None:
    schema = tmp_path / "s.json"
    schema.write_text("{}")
    suite = suite_of(tmp_path, "metrics:\n  json_schema: {schema: s.json}\n")
    schema.unlink()

    with pytest.raises(SettingsInvalid, match=r"yaml:5: metrics.json_schema: schema 's.json'"):
        make_metrics(suite)


def test_what_decides_what_a_score_means_changes_the_hash_of_a_suite(tmp_path: Path) -> None:
    body = "metrics: {exact_match: {floor: 0.5}}\n"
    suite = suite_of(tmp_path, body)
    whole = suite.suite_hash({"exact_match": "1"}, {})

    assert suite.suite_hash({"exact_match": "2"}, {}) != whole
    assert suite.suite_hash({"exact_match": "1"}, {"judge-refusal": "ab"}) != whole
    looser = suite_of(tmp_path, "metrics: {exact_match: {floor: 0.5, casefold: true}}\n")
    assert looser.suite_hash({"exact_match": "1"}, {}) != whole
    longer = suite_of(tmp_path, body, [row(0), row(1)])
    assert longer.suite_hash({"exact_match": "1"}, {}) != whole
    assert suite_of(tmp_path, body).suite_hash({"exact_match": "1"}, {}) == whole


def test_a_manifest_that_is_no_map_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text("- cases")

    with pytest.raises(SettingsInvalid, match=r"suite.yaml:1: the file is not a map"):
        read_suite(path)
