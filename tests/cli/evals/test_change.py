from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.cli.evals.repository import PROMPT, Repository
from tests.evals.test_delta import run, with_

from trimtab.cli import program
from trimtab.evals.result import Run, write_run
from trimtab.registry.format import read_file

PATHS = "prompts/** src/** evals/**"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    made = Repository(tmp_path)
    monkeypatch.chdir(made.folder)
    return made


def trimtab(*words: str) -> Result:
    return CliRunner().invoke(program, ["evals", *words])


def changed(*words: str) -> list[str]:
    result = trimtab("changed", "--base", "origin/main", "--paths", PATHS, *words)
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def check(report: Path | str = "reports") -> Result:
    return trimtab("check-pr", "--base", "origin/main", "--report", str(report))


def reported(folder: Path, **members: Any) -> Run:  # noqa: ANN401
    """Report an eval of the prompt as it is now."""
    file = read_file((folder / PROMPT).read_text(), PROMPT)
    hashed = file.published_as(file.content).hash
    made = run(candidate=with_(prompt="house", prompt_hash=hashed), **members)
    (folder / "reports").mkdir(exist_ok=True)
    (folder / "reports" / "ev_1.json").write_bytes(write_run(made))
    return made


def test_nothing_changed_touches_nothing(repository: Repository) -> None:
    assert changed() == ["any=false", "suites="]
    repository.write("docs/x.md", "x")
    assert changed() == ["any=false", "suites="]


@pytest.mark.parametrize(
    "path", [PROMPT, "evals/house.jsonl", "evals/house.yaml", "src/rag/find.py"]
)
def test_prompts_data_and_code_touch_the_suite(repository: Repository, path: str) -> None:
    there = repository.folder / path
    repository.write(path, (there.read_text() if there.exists() else "") + "\n")

    assert changed() == ["any=true", "suites=evals/house.yaml"]


def test_a_renamed_file_counts_by_its_old_name(repository: Repository) -> None:
    text = (repository.folder / "evals/house.jsonl").read_text()
    repository.remove("evals/house.jsonl")
    repository.write("data/house.jsonl", text)

    assert changed() == ["any=true", "suites=evals/house.yaml"]


def test_a_removed_suite_is_not_run(repository: Repository) -> None:
    repository.remove("evals/house.yaml")

    result = trimtab("changed", "--base", "origin/main")
    assert result.stdout.splitlines() == ["any=false", "suites="]
    assert "there is no suite below evals/**" in result.stderr


def test_what_main_did_meanwhile_is_no_change_of_ours(repository: Repository) -> None:
    repository.write("docs/x.md", "x")
    repository.upstream(PROMPT, "name: other\n")

    assert changed() == ["any=false", "suites="]


def test_paths_with_spaces_and_quotes_are_read_as_they_are(repository: Repository) -> None:
    repository.write('prompts/a "b" é.yaml', "x: 1")
    found = trimtab("changed", "--base", "origin/main", "--json").stdout
    assert '"prompts/a \\"b\\" é.yaml"' in found


def test_a_suite_that_a_shell_would_read_is_refused(repository: Repository) -> None:
    repository.write("evals/$(touch x).yaml", "cases: [house.jsonl]\n")

    result = trimtab("changed", "--base", "origin/main")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "rename it" in result.stderr


@pytest.mark.parametrize("base", ["origin/nothing", "--output=x", "-", ""])
def test_a_base_that_is_none_is_told(repository: Repository, base: str) -> None:
    result = trimtab("changed", f"--base={base}")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "name a base that was fetched" in result.stderr
    assert sorted(it.name for it in repository.folder.iterdir() if it.suffix == "") == [
        ".git",
        "evals",
        "prompts",
    ]


def test_no_repository_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "git diff cannot tell" in trimtab("changed", "--base", "main").stderr


def test_a_change_without_prompts_needs_no_delta(repository: Repository) -> None:
    repository.write("src/x.py", "x")
    result = check()
    assert (result.exit_code, result.stdout) == (0, "every changed prompt has its eval delta: 0\n")


def test_a_changed_prompt_needs_its_delta(repository: Repository) -> None:
    repository.replace(PROMPT, "in its words", "as it says it")

    result = check()

    assert result.exit_code == 1
    assert "prompt 'house' is changed, and no eval of it is reported" in result.stderr


def test_a_delta_of_this_text_is_enough(repository: Repository) -> None:
    repository.replace(PROMPT, "in its words", "as it says it")
    reported(repository.folder)

    assert check().exit_code == check("reports/ev_1.json").exit_code == 0

    repository.replace(PROMPT, "as it says it", "as you like it")
    result = check()
    assert result.exit_code == 1
    assert "what was evaluated is another text of it" in result.stderr


def test_scores_without_a_baseline_are_no_delta(repository: Repository) -> None:
    repository.replace(PROMPT, "in its words", "as it says it")
    reported(repository.folder, baseline=None)

    assert "compared with no baseline" in check().stderr


def test_a_removed_prompt_needs_no_delta(repository: Repository) -> None:
    repository.remove(PROMPT)
    assert check().exit_code == 0


@pytest.mark.parametrize("text", [b"messages: [", b"\xff\xfe", b"name: house\n"])
def test_a_prompt_that_cannot_be_read_does_not_slip_through(
    repository: Repository, text: bytes
) -> None:
    (repository.folder / PROMPT).write_bytes(text)
    repository.commit()

    assert check().exit_code == 2
