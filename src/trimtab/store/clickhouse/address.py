"""Where a ClickHouse is, as a URL says it, and how it is called."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from clickhouse_connect import get_client
from clickhouse_connect.driver.client import Client

from trimtab.domain.errors import SettingsInvalid

CONNECT_S = 3
LONGEST_INSERT_S = 10
SCHEMES = ("clickhouse", "clickhouses")


class Way(NamedTuple):
    """The way to a database.

    Attributes:
        connect: Makes a client; raises what clickhouse-connect raises.
        place: Names the database in messages: where it is, and nothing secret.
    """

    connect: Callable[[], Client]
    place: str


def way_to(url: str) -> Way:
    """Read a URL such as `clickhouses://user:password@host:8443/database`.

    Raises:
        SettingsInvalid: it is none. It is not repeated.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    database = unquote(parts.path.strip("/"))
    if parts.scheme not in SCHEMES or not parts.hostname or not database:
        raise SettingsInvalid(
            "what `gateway.archive` leads to is no ClickHouse URL; write it as"
            " clickhouses://trimtab@ch.example.com/trimtab"
        )
    secure = parts.scheme == "clickhouses"
    connect = partial(
        get_client,
        interface="https" if secure else "http",
        host=parts.hostname,
        port=port or (8443 if secure else 8123),
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password or ""),
        database=database,
        connect_timeout=CONNECT_S,
        send_receive_timeout=LONGEST_INSERT_S,
        autogenerate_session_id=False,
    )
    return Way(connect, f"'{parts.hostname}/{database}'")
