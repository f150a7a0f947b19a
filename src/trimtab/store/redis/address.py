"""Where a Redis is, as a URL says it."""

from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from trimtab.domain.errors import SettingsInvalid

DEFAULT_PORT = 6379


class Address(NamedTuple):
    """A Redis and how to log in to it.

    Attributes:
        path: Its Unix socket; host and port count for nothing then.
        database: Number that `SELECT` takes.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    path: str | None = None
    tls: bool = False
    user: str | None = None
    password: str | None = None
    database: int = 0

    def __repr__(self) -> str:
        return f"Address({str(self)!r})"

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"


def parse(url: str) -> Address:
    """Read `redis://`, `rediss://` (TLS) or `unix://`, with user and password if there are any.

    Raises:
        SettingsInvalid: it is no such URL. The message repeats nothing of it.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORT
        database = 0 if parts.scheme == "unix" else int(parts.path.strip("/") or 0)
    except ValueError:
        raise _no_url() from None
    if parts.scheme not in ("redis", "rediss", "unix") or parts.query or parts.fragment:
        raise _no_url()
    if not (parts.path if parts.scheme == "unix" else parts.hostname):
        raise _no_url()
    return Address(
        host=parts.hostname or "",
        port=port,
        path=parts.path if parts.scheme == "unix" else None,
        tls=parts.scheme == "rediss",
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        database=database,
    )


def _no_url() -> SettingsInvalid:
    return SettingsInvalid(
        "is no URL of a Redis; write redis://host:6379, rediss://host:6379 for TLS, or"
        " unix:///path/to/socket"
    )
