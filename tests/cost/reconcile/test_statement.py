import pytest

from trimtab.cost.reconcile.statement import Owned, Ownership, canonical

OWNED = Ownership(
    (
        Owned(account="proj_apps", credential="env:APPS"),
        Owned(account="proj_batch", credential="env:BATCH", place="1", key_id="key_batch"),
    )
)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-5-2025-08-07", "gpt-5"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("claude-sonnet-4-5@20250929", "claude-sonnet-4-5"),
        ("openai/GPT-5", "gpt-5"),
        ("large!huge:100000!bad_line", "large"),
        ("gpt-4-0613", "gpt-4-0613"),
        ("", ""),
    ],
)
def test_a_model_has_one_name_on_both_sides(model: str, name: str) -> None:
    assert canonical(model) == name


@pytest.mark.parametrize(
    ("account", "label"),
    [
        pytest.param("env:APPS", "proj_apps", id="first credential"),
        pytest.param("env:BATCH", "proj_batch", id="second credential"),
        pytest.param("", "proj_apps", id="first of an older line"),
        pytest.param("1", "proj_batch", id="second of an older line"),
        pytest.param("env:ELSE", "env:ELSE", id="one that no account is said of"),
        pytest.param("2", "2", id="one of an older line that no account is said of"),
        pytest.param("at:proj_apps/key_x", "proj_apps/key_x", id="adjustment"),
    ],
)
def test_a_line_belongs_to_the_account_of_its_credential(account: str, label: str) -> None:
    assert OWNED.of_line(account) == label


@pytest.mark.parametrize(
    ("account", "key_id", "label", "is_ours"),
    [
        ("proj_apps", "key_any", "proj_apps", True),
        ("proj_batch", "key_batch", "proj_batch", True),
        ("proj_batch", None, "proj_batch", True),
        ("proj_batch", "key_x", "proj_batch/key_x", False),
        ("default", None, "default", False),
    ],
)
def test_a_row_is_ours_if_account_and_key_are(
    account: str,
    key_id: str | None,
    label: str,
    is_ours: bool,  # noqa: FBT001
) -> None:
    assert OWNED.of_row(account, key_id) == (label, is_ours)


def test_any_credential_may_use_an_account() -> None:
    one = Ownership((Owned(account="default"),))

    assert {one.of_line(it) for it in ("", "1")} == {"default"}


def test_without_accounts_all_is_ours() -> None:
    assert Ownership().of_line("3") == "all"
    assert Ownership().of_row("proj_x", "key_x") == ("all", True)
    assert Ownership().of_line("at:all") == "all"
