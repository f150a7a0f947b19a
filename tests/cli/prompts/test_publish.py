from tests.cli.conftest import Terminal
from tests.cli.prompts.conftest import FILE


def test_a_file_is_published_once(project: Terminal) -> None:
    first = project.json("prompts", "publish", str(FILE))
    again = project.json("prompts", "publish", str(FILE))

    assert first["steps"][0]["does"] == "publish"
    assert (again["steps"][0]["does"], again["changes"]) == ("nothing", [])


def test_a_version_in_use_is_not_yanked(shop: Terminal) -> None:
    yank = ("prompts", "yank", "rag-answer@3.2.0", "--reason", "leaks")

    refused = shop.run(*yank, code=2)
    shop.run("prompts", "unset", "rag-answer", "--label", "staging", "--reason", "leaks")
    shop.run(*yank, "--block")

    assert "rag-answer/staging/default point at it" in refused.stderr
    assert "blocked: leaks" in shop.run("prompts", "show", "rag-answer").stdout


def test_a_yank_is_taken_back(shop: Terminal) -> None:
    shop.run("prompts", "yank", "rag-answer@3.3.0", "--reason", "leaks")
    shop.run("prompts", "unyank", "rag-answer@3.3.0", "--reason", "it was not this")

    assert "leaks" not in shop.run("prompts", "show", "rag-answer").stdout


def test_who_published_it_does_not_approve_it(shop: Terminal) -> None:
    assert "ask somebody else" in shop.run("prompts", "approve", "rag-answer@3.3.0", code=2).stderr


def test_evidence_is_listed_with_the_version(shop: Terminal) -> None:
    shop.run("prompts", "evidence", "rag-answer@3.3.0", "--passed", "--report", "ci/42")

    assert "eval passed" in shop.run("prompts", "show", "rag-answer").stdout


def test_a_label_is_no_version_to_yank(shop: Terminal) -> None:
    refused = shop.run("prompts", "yank", "rag-answer@staging", "--reason", "x", code=2)

    assert "names no version; write it as rag-answer@3.2.0" in refused.stderr
