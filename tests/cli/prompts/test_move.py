from tests.cli.conftest import Terminal

STAGING = ("rag-answer", "--label", "staging")


def at(shop: Terminal) -> str:
    labels = shop.json("prompts", "show", "rag-answer")["labels"]
    return next(it["version"] for it in labels if it["label"] == "staging")


def test_a_label_goes_forwards_and_back(shop: Terminal) -> None:
    moved = shop.run(
        *("prompts", "promote", "rag-answer", "3.3.0", "--label", "staging", "--reason", "better")
    )
    back = shop.run("prompts", "rollback", *STAGING, "--reason", "worse")

    assert moved.stdout.startswith("staging of rag-answer (default): 3.2.0 -> 3.3.0   change ")
    assert "undo: trimtab changes undo " in moved.stdout
    assert "3.3.0 -> 3.2.0" in back.stdout
    assert at(shop) == "3.2.0"


def test_a_rollback_with_nothing_behind_it_says_so(shop: Terminal) -> None:
    refused = shop.run("prompts", "rollback", *STAGING, "--reason", "worse", code=2)

    assert "held nothing else that it could go back to" in refused.stderr


def test_production_is_protected_and_an_override_stays_marked(shop: Terminal) -> None:
    promote = ("prompts", "promote", "rag-answer", "3.3.0", "--reason", "no evals yet")

    refused = shop.run(*promote, code=2)
    shop.run(*promote, "--override")

    assert "requires eval, review" in refused.stderr
    assert "3.3.0 (override)" in shop.run("prompts", "show", "rag-answer").stdout


def test_who_saw_another_state_is_refused(shop: Terminal) -> None:
    refused = shop.run(
        *("prompts", "promote", "rag-answer", "3.3.0", "--label", "staging"),
        *("--expect", "0", "--reason", "late"),
        code=2,
    )

    assert "no longer at 0" in refused.stderr


def test_a_scope_is_unset_so_that_the_next_counts(shop: Terminal) -> None:
    of_acme = (*STAGING, "--scope", "tenant:acme", "--reason", "their wish")
    shop.run("prompts", "promote", of_acme[0], "3.3.0", *of_acme[1:])
    before = shop.json("prompts", "show", "rag-answer@staging", "--tenant", "acme")

    shop.run("prompts", "unset", *of_acme)

    after = shop.json("prompts", "show", "rag-answer@staging", "--tenant", "acme")
    assert (before["version"]["version"], after["version"]["version"]) == ("3.3.0", "3.2.0")
