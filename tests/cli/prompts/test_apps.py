import sqlite3
from contextlib import closing
from pathlib import Path

from tests.cli.conftest import Terminal

from trimtab.sdk import read_lock


def test_wrappers_are_written_and_checked(shop: Terminal, tmp_path: Path) -> None:
    out = tmp_path / "app"
    codegen = ("prompts", "codegen", "--out", str(out))

    missing = shop.run(*codegen, "--check", code=1)
    shop.run(*codegen)
    fresh = shop.run(*codegen, "--check")

    assert f"~ {out}/rag_answer_v3.py" in missing.stdout
    assert not (tmp_path / "app" / "missing").exists()
    assert "class RagAnswerPrompt(" in (out / "rag_answer_v3.py").read_text()
    assert "the wrappers are what is published" in fresh.stdout


def test_only_a_prompt_or_a_major_may_be_asked_for(shop: Terminal, tmp_path: Path) -> None:
    codegen = ("prompts", "codegen", "--out", str(tmp_path / "app"))

    assert "names no major" in shop.run(*codegen, "rag-answer@x", code=2).stderr
    assert "no version of major 4" in shop.run(*codegen, "rag-answer@4", code=2).stderr
    assert "there is no prompt" in shop.run(*codegen, "nobody", code=2).stderr


def test_the_lock_file_holds_what_a_label_points_at(shop: Terminal) -> None:
    shop.run("prompts", "lock", "--label", "staging")

    lock = read_lock(Path("prompts.lock").read_text())
    assert lock.hash_of("rag-answer", "3.2.0") is not None
    assert "points nowhere yet" in shop.run("prompts", "lock", code=2).stderr


def test_nothing_is_locked_of_a_log_that_was_written_over(shop: Terminal) -> None:
    with closing(sqlite3.connect(shop.home / ".trimtab" / "control.db")) as connection:
        connection.execute("DROP TRIGGER change_is_final")
        connection.execute("UPDATE change SET author = 'mallory' WHERE kind = 'prompt'")
        connection.commit()

    said = shop.run("prompts", "lock", "--label", "staging", code=2).stderr

    assert "is not what was written" in said
    assert not Path("prompts.lock").exists()
