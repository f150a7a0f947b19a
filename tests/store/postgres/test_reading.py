from contextlib import closing

import pytest
from msgspec.structs import replace
from tests.contracts.test_records import ALWAYS
from tests.postgres import Server
from tests.records import finish, tenant_key
from tests.telemetry.shapes import TS_US

from trimtab.domain.errors import TryLater
from trimtab.store.base.limits import Spending
from trimtab.store.base.reading import RecordFilter
from trimtab.store.base.recording import Batch, Move, SpoolPosition
from trimtab.store.postgres import reading as module
from trimtab.store.postgres.reading import PostgresReading
from trimtab.store.postgres.recording import PostgresRecording
from trimtab.store.rollup import HOUR_US

HOUR = TS_US - TS_US % HOUR_US
COST = 9_414_000


@pytest.fixture
async def url(postgres: Server) -> str:
    """A database that two hosts have recorded in."""
    url = postgres.database()
    for host, seeds in (("one", (1, 2)), ("other", (3,))):
        with closing(PostgresRecording(url, host, is_keeper=True)) as store:
            at = SpoolPosition(worker_id="gateway-1", segment=1, offset=len(seeds))
            await store.commit(
                Batch(finishes=tuple(finish(it) for it in seeds), moves=(Move(at, None),))
            )
    return url


async def test_before_anything_is_recorded_there_is_nothing(postgres: Server) -> None:
    with closing(PostgresReading(postgres.database(), "one", tenant_key)) as reading:
        assert reading.exists
        assert await reading.page(RecordFilter()) == ()


@pytest.mark.parametrize("offset_us", [0, -HOUR_US // 2], ids=["whole hours", "half an hour off"])
async def test_what_was_spent_is_that_of_all_hosts_and_the_spools_are_ours(
    url: str, offset_us: int
) -> None:
    of = Spending(since_us=HOUR + offset_us, until_us=HOUR + 2 * HOUR_US)
    with closing(PostgresReading(url, "other", tenant_key)) as reading:
        found = await reading.spent([of, replace(of, tenant_id="nobody")])

    assert found.sums == ((3 * COST, 0), (0, 0))
    assert found.places == (SpoolPosition(worker_id="gateway-1", segment=1, offset=1),)


async def test_texts_are_in_the_order_of_their_bytes_wherever_the_database_is_at_home(
    postgres: Server,
) -> None:
    url = postgres.database("LOCALE_PROVIDER icu ICU_LOCALE 'de-DE' TEMPLATE template0")
    names = ["b", "a", "ä", "", "B", "a b", "ab"]
    made = [finish(seed, feature=name, tenant_id=name) for seed, name in enumerate(names)]
    with (
        closing(PostgresRecording(url, "one", is_keeper=True)) as store,
        closing(PostgresReading(url, "one", tenant_key)) as reading,
    ):
        await store.commit(Batch(finishes=tuple(made)))
        rows = await reading.costs(group_by=("feature",), **ALWAYS)
        days = await reading.costs(group_by=("day", "tenant_id"), **ALWAYS)

        assert [it.group[0] for it in rows] == sorted(names)
        assert [it.group[1] for it in days] == sorted(names)
        assert await reading.payers() == tuple(sorted(names))


async def test_a_query_that_takes_too_long_is_given_up(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONGEST_QUERY_S", 0.05)
    with (
        closing(PostgresReading(url, "one", tenant_key)) as reading,
        pytest.raises(TryLater, match=r"statement timeout.*; narrow the question"),
    ):
        await reading.do(lambda it: it.execute("SELECT pg_sleep(5)"))


async def test_a_database_that_is_not_there_is_told(postgres: Server) -> None:
    with (
        closing(PostgresReading(postgres.url("nowhere"), "one", tenant_key)) as reading,
        pytest.raises(TryLater, match=r"record store '127.0.0.1/nowhere' cannot be used"),
    ):
        await reading.page(RecordFilter())
