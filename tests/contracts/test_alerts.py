"""What every store of alerts must do."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace

from trimtab.domain.alert import Alert, Finding, Notice, NoticeKind, Outcome, Rule, Silence
from trimtab.domain.errors import TryLater
from trimtab.store.alerts import AlertFilter, AlertState, AlertStore, MemoryAlerts
from trimtab.store.base.reading import Cursor
from trimtab.store.sqlite.alerts import SqliteAlerts

IMPLEMENTATIONS: Mapping[str, Callable[[Path], AlertStore]] = {
    "memory": lambda _: MemoryAlerts(),
    "sqlite": lambda home: SqliteAlerts(home / "alerts.db"),
}
QUIET = Silence(until_us=99, author="ana", reason="known")


@pytest.fixture(params=IMPLEMENTATIONS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AlertStore]:
    made = IMPLEMENTATIONS[request.param](tmp_path)
    yield made
    if isinstance(made, SqliteAlerts):
        made.close()


def alert(n: int, rule: Rule = Rule.SPEND_RATE, *, resolved_us: int | None = None) -> Alert:
    finding = Finding(
        rule=rule, tenant_id="acme", window="day:2026-11-23", told="much", subject=str(n)
    )
    return Alert(id=f"al_{n}", finding=finding, opened_us=n, seen_us=n + 1, resolved_us=resolved_us)


def notice(n: int = 1, route: str = "ops", tries: int = 0) -> Notice:
    return Notice(alert_id="al_1", n=n, route=route, kind=NoticeKind.FIRING, due_us=7, tries=tries)


async def test_an_empty_store_has_nothing(store: AlertStore) -> None:
    assert await store.alerts() == ()
    assert await store.notices() == ()
    assert await store.find("al_1") is None
    assert not await store.silence("al_1", QUIET)


async def test_gives_back_what_was_saved_the_newest_first(store: AlertStore) -> None:
    one = replace(alert(1, resolved_us=5), told_us=3, notices=2)
    await store.save([one, alert(2)])

    assert await store.alerts() == (alert(2), one)
    assert await store.alerts(limit=1) == (alert(2),)
    assert await store.find("al_1") == one


async def test_lists_what_is_of_a_tenant(store: AlertStore) -> None:
    finding = replace(alert(1).finding, tenant_id="globex")
    other, old = replace(alert(1), finding=finding), alert(0, resolved_us=5)
    await store.save([old, other, alert(2)])

    assert await store.alerts(tenant_id="acme") == (alert(2), old)
    assert await store.alerts(tenant_id="acme", open_only=True) == (alert(2),)
    assert await store.alerts(tenant_id="acme", rule=Rule.SPEND_SPIKE) == ()
    assert await store.alerts(tenant_id="globex", limit=1) == (other,)


async def test_lists_what_is_open_and_what_is_of_a_rule(store: AlertStore) -> None:
    spike = alert(3, Rule.SPEND_SPIKE, resolved_us=9)
    await store.save([alert(1), alert(2, resolved_us=5), spike])

    assert await store.alerts(open_only=True) == (alert(1),)
    assert await store.alerts(rule=Rule.SPEND_SPIKE) == (spike,)
    assert await store.alerts(rule=Rule.SPEND_SPIKE, open_only=True) == ()


async def test_finds_by_a_beginning_that_is_unique(store: AlertStore) -> None:
    await store.save([alert(21), alert(22), alert(3)])

    assert await store.find("al_3") == alert(3)
    assert await store.find("al_22") == alert(22)
    assert await store.find("al_2") is None


async def test_saving_again_replaces_all_but_the_silence(store: AlertStore) -> None:
    await store.save([alert(1)])
    assert await store.silence("al_1", QUIET)

    await store.save([replace(alert(1), seen_us=50)])

    assert await store.find("al_1") == replace(alert(1), seen_us=50, silence=QUIET)
    assert await store.silence("al_1", None)
    assert await store.find("al_1") == replace(alert(1), seen_us=50)


async def test_what_is_to_be_told_is_kept_once_and_in_order(store: AlertStore) -> None:
    await store.save([alert(1)], [notice(2), notice(1, "chat"), notice(1)])
    await store.save([], [notice(1, tries=5)])

    assert await store.notices() == (notice(1, "chat"), notice(1), notice(2))


async def test_a_notice_is_held_until_it_was_told(store: AlertStore) -> None:
    await store.save([], [notice(1), notice(2)])
    held = replace(notice(1), due_us=90, tries=3, error="answer 500")

    await store.hold([held])
    assert await store.notices() == (held, notice(2))

    await store.told([held], 95)
    await store.told([held], 96)
    await store.hold([held])
    assert await store.notices() == (notice(2),)


async def test_what_became_of_what_was_let_go_is_kept_for_each_route(store: AlertStore) -> None:
    refused = replace(notice(2), error="answer 500")
    await store.save([], [notice(1), refused, notice(1, "chat")])

    await store.told([notice(1)], 90)
    await store.told([notice(1)], 91)
    ops = Outcome(alert_id="al_1", route="ops", kind=NoticeKind.FIRING, at_us=90)
    assert await store.outcomes(["al_1", "al_2"]) == (ops,)

    await store.told([refused, notice(1, "chat")], 95)
    assert await store.outcomes(["al_1"]) == (
        replace(ops, route="chat", at_us=95),
        replace(ops, at_us=95, error="answer 500"),
    )
    assert await store.outcomes(["al_2"]) == ()


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (AlertFilter(), ["al_5", "al_4", "al_3", "al_1", "al_2"]),
        (AlertFilter(rules=frozenset({Rule.LOOP})), ["al_5"]),
        (AlertFilter(rules=frozenset({Rule.LOOP, Rule.SPEND_SPIKE})), ["al_5", "al_4"]),
        (AlertFilter(rules=frozenset()), []),
        (AlertFilter(tenant_id="globex"), ["al_5"]),
        (AlertFilter(state=AlertState.OPEN), ["al_5", "al_1"]),
        (AlertFilter(state=AlertState.SILENT), ["al_2"]),
        (AlertFilter(state=AlertState.OVER), ["al_4", "al_3"]),
        (AlertFilter(state=AlertState.OVER, rules=frozenset({Rule.SPEND_SPIKE})), ["al_4"]),
        (AlertFilter(state=AlertState.OPEN, tenant_id="nobody"), []),
    ],
)
async def test_lists_by_pages_what_fits(
    store: AlertStore, where: AlertFilter, found: list[str]
) -> None:
    loop = alert(5, Rule.LOOP)
    loop = replace(loop, finding=replace(loop.finding, tenant_id="globex"))
    ended = replace(alert(1), opened_us=2)
    await store.save(
        [ended, alert(2), alert(3, resolved_us=9), alert(4, Rule.SPEND_SPIKE, resolved_us=9), loop]
    )
    await store.silence("al_1", QUIET)
    await store.silence("al_2", replace(QUIET, until_us=101))
    await store.silence("al_3", replace(QUIET, until_us=101))

    assert [it.id for it in await store.page(where, 99, limit=9)] == found
    paged: list[Alert] = []
    while more := await store.page(where, 99, after=cursor(paged), limit=2):
        paged += more
    assert [it.id for it in paged] == found


def cursor(paged: list[Alert]) -> Cursor | None:
    return Cursor(paged[-1].opened_us, paged[-1].id) if paged else None


async def test_what_was_saved_is_there_after_a_restart(tmp_path: Path) -> None:
    first = SqliteAlerts(tmp_path / "alerts.db")
    await first.save([alert(1)], [notice()])
    first.close()

    second = SqliteAlerts(tmp_path / "alerts.db")

    assert await second.alerts() == (alert(1),)
    assert await second.notices() == (notice(),)
    second.close()


async def test_a_file_that_is_damaged_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "alerts.db").write_bytes(b"no database, " * 1000)

    with pytest.raises(TryLater, match=r"alerts\.db' cannot be used"):
        await SqliteAlerts(tmp_path / "alerts.db").alerts()
