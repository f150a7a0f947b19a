from pathlib import Path

from tests.cli.conftest import Terminal

LANGFUSE = """\
{"name": "movie-critic", "version": 3, "type": "text", "labels": ["production"],
 "prompt": "As a {{level}} critic, do you like {{movie}}?", "config": {"temperature": 0.2}}
"""


def test_a_foreign_prompt_becomes_a_file_that_can_be_pushed(project: Terminal) -> None:
    Path("critic.json").write_text(LANGFUSE)

    told = project.run("prompts", "import", "--from", "langfuse", "critic.json")
    pushed = project.run("prompts", "push", "--check", code=1)

    assert told.stdout.startswith("wrote prompts/movie-critic.prompt.yaml")
    assert "labels" in told.stderr
    assert "R001" in pushed.stderr


def test_what_is_lost_refuses_a_strict_import(project: Terminal) -> None:
    Path("critic.json").write_text(LANGFUSE)

    project.run("prompts", "import", "--from", "langfuse", "--strict", "critic.json", code=1)

    assert not Path("prompts/movie-critic.prompt.yaml").exists()


def test_a_version_is_printed_in_another_format(shop: Terminal) -> None:
    told = shop.run("prompts", "export", "rag-answer@3.2.0", "--to", "langfuse")

    assert '"name": "rag-answer"' in told.stdout.replace('":"', '": "')
