import pytest
from tests.cost.reconcile.books import DAY, OWNED

from trimtab.cost.reconcile.sides import our_side, their_side
from trimtab.cost.reconcile.statement import Charged, Ownership, Statement, TokenClass, Used
from trimtab.store.base.ledger import Billed


def used(key_id: str, tokens: int, kind: TokenClass = TokenClass.INPUT) -> Used:
    return Used(
        day=DAY, account="proj_apps", key_id=key_id, model="m", token_class=kind, tokens=tokens
    )


def charged(nano: int, kind: TokenClass = TokenClass.INPUT, key_id: str | None = None) -> Charged:
    return Charged(
        day=DAY, account="proj_apps", key_id=key_id, model="m", token_class=kind, nano=nano
    )


def money(*rows: Used | Charged) -> dict[str, int]:
    statement = Statement(
        provider="p",
        used=tuple(it for it in rows if isinstance(it, Used)),
        charged=tuple(it for it in rows if isinstance(it, Charged)),
    )
    return {place.account: side.money for place, side in their_side(statement, OWNED).items()}


@pytest.mark.parametrize(
    ("ours", "others", "nano", "expected"),
    [
        (1, 2, 300, (100, 200)),
        (1, 2, 100, (33, 67)),
        (2, 1, 100, (67, 33)),
        (1, 1, -1, (0, -1)),
        (3, 0, 7, (7, 0)),
    ],
)
def test_money_of_an_account_is_parted_by_what_each_key_used_without_a_loss(
    ours: int, others: int, nano: int, expected: tuple[int, int]
) -> None:
    found = money(used("key_ours", ours), used("key_else", others), charged(nano))

    assert sum(found.values()) == nano
    assert (found["proj_apps"], found["proj_apps/key_else"]) == expected


def test_each_kind_of_token_is_parted_by_itself() -> None:
    found = money(
        used("key_ours", 10),
        used("key_else", 10, TokenClass.OUTPUT),
        charged(3),
        charged(50, TokenClass.OUTPUT),
    )

    assert found == {"proj_apps": 3, "proj_apps/key_else": 50}


def test_money_that_says_whose_it_is_is_not_parted() -> None:
    found = money(used("key_ours", 1), used("key_else", 1), charged(9, key_id="key_else"))

    assert found == {"proj_apps": 0, "proj_apps/key_else": 9}


def test_money_without_tokens_stays_with_its_account() -> None:
    assert money(charged(9, TokenClass.OTHER)) == {"proj_apps": 9}


def test_fresh_input_of_ours_is_what_was_neither_cached_nor_written() -> None:
    row = Billed(
        day=DAY,
        provider="p",
        account="",
        model_sent="m",
        input_tokens=100,
        cached_tokens=30,
        cache_write_5m=1,
        cache_write_30m=2,
        cache_write_1h=3,
        cache_write_12h=4,
        output_tokens=9,
    )

    (side,) = our_side([row], {"p": OWNED}).values()

    assert list(side.tokens.values()) == [60, 30, 1, 2, 3, 4, 9]
    assert our_side([row], {"q": Ownership()}) == {}
