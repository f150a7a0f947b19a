from collections.abc import Mapping
from functools import partial

import pytest

from trimtab.domain.errors import SettingsInvalid
from trimtab.store.clickhouse.address import way_to

SECRET = "hunter2"  # noqa: S105 -- nobody's


@pytest.mark.parametrize(
    ("url", "interface", "port", "user", "password"),
    [
        ("clickhouse://ch.example.com/trimtab", "http", 8123, None, ""),
        ("clickhouses://ch.example.com/trimtab", "https", 8443, None, ""),
        ("clickhouses://a%40b:p%2Fw@ch.example.com:9440/trimtab", "https", 9440, "a@b", "p/w"),
    ],
)
def test_a_url_says_how_a_database_is_called(
    url: str, interface: str, port: int, user: str | None, password: str
) -> None:
    way = way_to(url)

    assert isinstance(way.connect, partial)
    asked: Mapping[str, object] = way.connect.keywords  # pyright: ignore[reportUnknownMemberType] -- of a partial of any kind
    assert (asked["interface"], asked["port"]) == (interface, port)
    assert (asked["host"], asked["database"]) == ("ch.example.com", "trimtab")
    assert (asked["username"], asked["password"]) == (user, password)
    assert way.place == "'ch.example.com/trimtab'"


@pytest.mark.parametrize(
    "url",
    [
        f"http://{SECRET}@db/trimtab",
        f"clickhouse://u:{SECRET}@db",
        f"clickhouse://u:{SECRET}@db/",
        f"clickhouse:///{SECRET}",
        f"clickhouse://u:{SECRET}@db:99999999/trimtab",
        f"clickhouse://[{SECRET}/trimtab",
    ],
)
def test_what_is_no_url_of_a_database_is_told_and_not_repeated(url: str) -> None:
    with pytest.raises(SettingsInvalid, match="is no ClickHouse URL; write it as") as told:
        way_to(url)

    assert SECRET not in str(told.value)
