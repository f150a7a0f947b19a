from pathlib import Path

from tests.cli.conftest import Terminal
from tests.cli.prompts.conftest import FILE, write


def test_a_push_publishes_what_is_new_and_then_nothing(project: Terminal) -> None:
    checked = project.run("prompts", "push", "--check").stdout
    pushed = project.run("prompts", "push").stdout
    again = project.run("prompts", "push").stdout

    assert checked.startswith("+ rag-answer@3.2.0")
    assert "published 1   change " in pushed
    assert "nothing to publish" in again


def test_a_published_number_with_another_text_refuses_the_whole_push(shop: Terminal) -> None:
    write("3.3.0", "Never cite")
    (Path("prompts") / "new.prompt.yaml").write_text(
        FILE.read_text().replace("rag-answer", "other").replace("3.3.0", "1.0.0")
    )

    refused = shop.run("prompts", "push", code=1)

    assert "give it a number of its own, 3.3.1 or above (R002)" in refused.stderr
    assert [it["name"] for it in shop.json("prompts", "list")["prompts"]] == ["rag-answer"]


def test_a_number_that_promises_too_much_is_refused_with_the_next_free_one(shop: Terminal) -> None:
    write("3.3.1", "Never ever cite")

    (step,) = shop.json("prompts", "push", "--check", code=1)["steps"]

    assert (step["does"], step["code"]) == ("refuse", "bump_too_small")
    assert "take 3.4.0" in step["error"]


def test_what_is_wrong_with_files_is_told_by_line(project: Terminal) -> None:
    FILE.write_text("name: rag-answer\nversion: 3.2\ntemplat: x\n")

    refused = project.run("prompts", "push", code=2)

    assert f"{FILE}:2: version: '3.2' is a number" in refused.stderr
    assert f"{FILE}:3: templat: is not known here; did you mean 'template'?" in refused.stderr


def test_lint_looks_at_the_code_that_uses_prompts_too(shop: Terminal, tmp_path: Path) -> None:
    code = tmp_path / "app.py"
    code.write_text('client.chat.completions.create(messages=[{"content": f"Hi {name}"}])\n')

    found = shop.run("prompts", "lint", "--code", str(code), "--format", "github", code=1)

    assert "R020" in found.stdout
    assert found.stdout.startswith("::")


def test_a_pull_writes_what_was_published_elsewhere(shop: Terminal) -> None:
    published = FILE.read_text()
    FILE.unlink()

    pulled = shop.run("prompts", "pull").stdout

    assert pulled.startswith("~ prompts/rag-answer.prompt.yaml  3.3.0")
    assert Path("prompts/rag-answer.prompt.yaml").read_text() == published


def test_a_new_prompt_is_ready_to_push(project: Terminal) -> None:
    project.run("prompts", "new", "greeting")

    pushed = project.run("prompts", "push").stdout

    assert "+ greeting@1.0.0" in pushed
    assert "exists; pass --force" in project.run("prompts", "new", "greeting", code=2).stderr
