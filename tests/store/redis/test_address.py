import pytest

from trimtab.domain.errors import SettingsInvalid
from trimtab.store.redis.address import Address, parse


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://cache", Address("cache")),
        ("redis://10.0.0.7:7000/3", Address("10.0.0.7", 7000, database=3)),
        ("rediss://cache", Address("cache", tls=True)),
        (
            "redis://:p%40ss@cache",
            Address("cache", 6379, None, tls=False, user=None, password="p@ss"),  # noqa: S106
        ),
        (
            "redis://bob:pw@cache",
            Address("cache", 6379, None, tls=False, user="bob", password="pw"),  # noqa: S106
        ),
        ("unix:///run/redis.sock", Address("", path="/run/redis.sock")),
        ("redis://[::1]:6380", Address("::1", 6380)),
    ],
)
def test_reads_a_url(url: str, address: Address) -> None:
    assert parse(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "cache:6379",
        "http://cache",
        "redis://",
        "redis://cache:port",
        "redis://cache/db",
        "unix://",
        "redis://cache?ssl=1",
        "redis://bob:hunter2@cache:port",
    ],
)
def test_refuses_what_is_no_url_of_a_redis_and_does_not_repeat_it(url: str) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        parse(url)

    assert "redis://host:6379" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_shows_no_password() -> None:
    address = parse("redis://bob:hunter2@cache")

    assert "hunter2" not in f"{address} {address!r}"
