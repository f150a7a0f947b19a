from collections.abc import Sequence

import pytest

from trimtab.domain.errors import SettingsInvalid
from trimtab.evals.changed import PromptNamed, Rests, matcher, rests_on, touched

RAG = "name: rag\ncases: [rag.jsonl, ../shared/more.jsonl]\ntarget: {prompt: rag-answer}\n"


def rests(path: str, text: str) -> Rests:
    found = rests_on(text, path)
    assert found is not None
    return found


SUITES = (
    rests("evals/app.yaml", "name: app\ncases: [app.jsonl]\ntarget: {python: 'app:answer'}\n"),
    rests("evals/rag.yaml", f"{RAG}metrics: {{json_schema: {{schema: answer.schema.json}}}}\n"),
    rests("evals/tone.yaml", "name: tone\ncases: [tone.jsonl]\ntarget: {prompt: tone}\n"),
)
APP, RAG_YAML, TONE = (it.path for it in SUITES)


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("prompts/**", "prompts/a/b.yaml", True),
        ("prompts/**", "prompts2/a.yaml", False),
        ("prompts/*", "prompts/a/b.yaml", False),
        ("**/*.yaml", "a.yaml", True),
        ("**/*.yaml", "x/y/a.yaml", True),
        ("src/**/rag.py", "src/rag.py", True),
        ("a?.yaml", "a/.yaml", False),
        ("a.yaml", "abyaml", False),
        ("prompts/**", "prompts/with\nline.yaml", True),
    ],
)
def test_a_pattern_knows_folders(pattern: str, path: str, fits: bool) -> None:  # noqa: FBT001
    assert matcher([pattern, "never"])(path) is fits


def test_no_pattern_fits_nothing() -> None:
    assert not matcher([])("a")


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        (["evals/rag.yaml"], [RAG_YAML]),
        (["evals/rag.jsonl"], [RAG_YAML]),
        (["shared/more.jsonl"], [RAG_YAML]),
        (["evals/rag.labels.jsonl"], [RAG_YAML]),
        (["evals/answer.schema.json"], [RAG_YAML]),
        (["prompts/rag.prompt.yaml"], [APP, RAG_YAML]),
        (["prompts/styled.prompt.yaml"], [APP, TONE]),
        (["prompts/lonely.prompt.yaml"], [APP, RAG_YAML, TONE]),
        (["src/rag/search.py"], [APP, RAG_YAML, TONE]),
        (["evals/tone.jsonl", "evals/rag.jsonl"], [RAG_YAML, TONE]),
        ([], []),
    ],
)
def test_a_change_touches_what_rests_on_it(changed: Sequence[str], found: Sequence[str]) -> None:
    prompts = {
        "prompts/rag.prompt.yaml": PromptNamed(name="rag-answer"),
        "prompts/styled.prompt.yaml": PromptNamed(name="styled", evals=("tone",)),
        "prompts/lonely.prompt.yaml": PromptNamed(name="lonely"),
    }

    assert list(touched(changed, SUITES, prompts)) == found


def test_what_has_no_cases_is_no_suite() -> None:
    assert rests_on("name: x\nproviders: []\n", "evals/promptfoo.yaml") is None


def test_a_manifest_with_faults_is_still_a_suite() -> None:
    assert rests("evals/x.yaml", "cases: 7\nnmae: x\n").path == "evals/x.yaml"


def test_what_is_no_yaml_is_told() -> None:
    with pytest.raises(SettingsInvalid, match=r"evals/x\.yaml:1: this is no YAML"):
        rests_on("cases: [", "evals/x.yaml")


@pytest.mark.parametrize(
    "path", ["evals/a b.yaml", "evals/$(id).yaml", "-rf.yaml", "evals/a\nany=true.yaml", "é.yaml"]
)
def test_no_path_of_a_suite_says_anything_to_a_shell(path: str) -> None:
    suite = rests(path, "cases: [a.jsonl]\n")

    with pytest.raises(SettingsInvalid, match="rename it"):
        touched([path], [suite], {})
