"""Every example of the docs is done, in a fresh project, and says what the page says it does."""

import shlex
from pathlib import Path

import click
import pytest
from tests.docs.pages import PAGES, Block, blocks, name_of, prose
from tests.docs.project import project_in

from trimtab.cli import program

DONE = ("python", "console", "yaml")
LANGUAGES = (*DONE, "sh", "text")
UNSET = (
    *("TRIMTAB_HOME", "TRIMTAB_CONFIG", "TRIMTAB_LISTEN", "TRIMTAB_ENV", "TRIMTAB_STORE"),
    "TRIMTAB_CACHE_KEY",
    *("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "HONEYCOMB_API_KEY"),
)
"""What a reader has not set."""

EXAMPLES = [
    pytest.param(page, id=name_of(page))
    for page in PAGES
    if any(block.language in DONE for block in blocks(page))
]


@pytest.mark.e2e
@pytest.mark.parametrize("page", EXAMPLES)
def test_a_page_can_be_followed_line_by_line(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in UNSET:
        monkeypatch.delenv(name, raising=False)

    with project_in(tmp_path) as project:
        for block in blocks(page):
            try:
                project.follow(block)
            except Exception as exc:
                exc.add_note(f"in the block at {name_of(page)}:{block.line}")
                raise


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_says_what_it_is(page: Path) -> None:
    strange = [block for block in blocks(page) if block.language not in LANGUAGES]

    assert not strange


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_that_are_only_named_exist(page: Path) -> None:
    named = [line for block in blocks(page) if block.language == "sh" for line in _lines(block)]
    named += [part for part in prose(page).split("`")[1::2] if part.startswith("trimtab ")]

    wrong = [text for text in named if text.startswith("trimtab ") and not _exists(text)]

    assert not wrong


def _lines(block: Block) -> list[str]:
    return block.text.replace("\\\n", " ").splitlines()


def _exists(text: str) -> bool:
    """Whether a command and its options are there; capitals stand for something, as in a usage."""
    command: click.Command | None = program
    words = shlex.split(text, comments=True)[1:]
    while words and isinstance(command, click.Group) and not words[0].startswith("-"):
        command = command.get_command(click.Context(command), words[0])
        words = words[1:] if command is not None else words
        if command is None:
            return words[0].isupper()
    known = {opt for param in (command.params if command else []) for opt in param.opts}
    known |= {"--help", "--version"}
    return all(word.partition("=")[0] in known for word in words if word.startswith("--"))
