"""The workflow that `trimtab init ci` writes, its steps run in a git clone, with the gate itself.

The sample application has a prompt, a suite of 60 cases, and the simulator for a model.
"""

from pathlib import Path

from tests.cli.evals.hub import Hub
from tests.cli.evals.repository import PROMPT

NUMBER, RAISED = "version: 1.0.0", "version: 1.1.0"


def test_a_good_change_of_a_prompt_passes_with_its_delta_in_a_comment(tmp_path: Path) -> None:
    hub = Hub(tmp_path)
    hub.repository.replace(PROMPT, NUMBER, RAISED)
    hub.repository.replace(PROMPT, "in its words", "as it says it")

    assert hub.run() == 0, hub.runner.said

    [comment] = hub.comments
    assert comment.startswith("## PASS `house`\n\n`house@1.1.0` against `house@1.0.0`, 60 cases")
    assert "| `exact_match` | 1.000 | 1.000 | .000 |" in comment
    assert "asks for a `minor` bump; declared is `1.0.0 -> 1.1.0`" in comment
    assert "every changed prompt has its eval delta: 1" in hub.runner.said


def test_a_bad_one_blocks_and_the_comment_shows_why(tmp_path: Path) -> None:
    hub = Hub(tmp_path)
    hub.repository.replace(PROMPT, NUMBER, RAISED)
    hub.repository.replace(PROMPT, "[[sim: answer=$context]]", "$context")

    assert hub.run() == 1

    [comment] = hub.comments
    assert comment.startswith("## FAIL `house`")
    assert "| .90 no | 60 | 0 | 0 | FAIL floor |" in comment
    assert "CONTEXT: [-[[sim: answer=-]$context[-]]-]" in comment
    assert "Guide dogs are welcome" in comment or "<summary>Worst 5 cases</summary>" in comment
    assert (hub.app / "eval.html").exists()


def test_one_that_kept_its_number_is_told_to_take_a_higher_one(tmp_path: Path) -> None:
    hub = Hub(tmp_path)
    hub.repository.replace(PROMPT, "in its words", "as it says it")

    assert hub.run() != 0

    [comment] = hub.comments
    assert "says something else than at 'origin/main', and has the same version 1.0.0" in comment
