from pathlib import Path

import pytest
from tests.cli.conftest import Terminal
from tests.cli.prompts.conftest import FILE, write

VARIABLES = ("--var", "question=why?", "--var", "context=$question", "--var", "persona=clerk")


def test_before_anything_is_published_it_says_what_to_do(company: Terminal) -> None:
    assert "trimtab prompts new" in company.run("prompts", "list").stdout


def test_lists_and_shows_what_is_published(shop: Terminal) -> None:
    listed = shop.run("prompts", "list").stdout
    shown = shop.run("prompts", "show", "rag-answer@staging").stdout

    assert "staging=3.2.0" in listed
    assert shown.startswith("rag-answer@3.2.0  hash 74b300726fa8, in scope default")
    assert "You are a $persona." in shown


def test_the_history_tells_every_move(shop: Terminal) -> None:
    told = shop.run("prompts", "history", "rag-answer", "--label", "staging").stdout

    assert "nothing -> 3.2.0" in told
    assert "first" in told


def test_a_diff_tells_words_and_the_number_they_ask_for(shop: Terminal) -> None:
    write("3.3.1", "Never cite")

    told = shop.run("prompts", "diff", "rag-answer@3.3.0", str(FILE)).stdout

    assert "[-Always-]{+Never+}" in told
    assert "required bump: minor" in told


def test_renders_as_a_request_would(shop: Terminal) -> None:
    said = shop.json("prompts", "render", "rag-answer@staging", *VARIABLES)

    (message,) = said["messages"]
    assert message["role"] == "user"
    assert "CONTEXT:\n$question\n" in message["content"]


def test_variables_come_from_a_file_too(shop: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "vars.json"
    file.write_text('{"question": "why?", "context": "c", "persona": "p"}')

    assert "why?" in shop.run("prompts", "render", str(FILE), "--vars", str(file)).stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("show", "nobody"), "there is no prompt 'nobody'"),
        (("show", "rag-answer@9.9.9"), "has no version '9.9.9'"),
        (("render", "rag-answer"), "label 'production' of 'rag-answer' points nowhere"),
        (("render", "rag-answer@3.2.0", "--var", "x"), "write NAME=TEXT"),
        (("render", "rag-answer@3.2.0", "--var", "x=1"), "has no variable 'x'"),
    ],
)
def test_what_is_not_there_is_told(shop: Terminal, arguments: tuple[str, ...], told: str) -> None:
    assert told in shop.run("prompts", *arguments, code=2).stderr


def test_verify_hashes_every_version_again(shop: Terminal) -> None:
    assert "2 versions are what was published" in shop.run("prompts", "verify").stdout
