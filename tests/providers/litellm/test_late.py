import threading

import pytest

from trimtab.domain.transport import ConnectFailed, ConnectTimedOut, Origin, Response
from trimtab.providers.litellm.late import Transports

NATIVE, OTHER = Origin(scheme="https", host="h"), Origin(scheme="litellm", host="eu")


class Named(Exception):
    """Says who was asked."""


class Asked:
    """A transport that only says its name."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def send(
        self,
        origin: Origin,  # noqa: ARG002
        head: bytes,  # noqa: ARG002
        body: bytes,  # noqa: ARG002
        *,
        connect_timeout_s: float,  # noqa: ARG002
    ) -> Response:
        raise Named(self.name)


async def test_it_is_loaded_once_and_only_its_own_requests_go_there() -> None:
    loads: list[str] = []

    def load() -> Asked:
        loads.append("loaded")
        return Asked("litellm")

    transports = Transports(Asked("native"), load)
    with pytest.raises(Named, match="native"):
        await transports.send(NATIVE, b"", b"", connect_timeout_s=1)
    assert loads == []

    transports.prepare().result()
    transports.prepare().result()
    with pytest.raises(Named, match="litellm"):
        await transports.send(OTHER, b"", b"", connect_timeout_s=1)
    with pytest.raises(Named, match="native"):
        await transports.send(NATIVE, b"", b"", connect_timeout_s=1)
    assert loads == ["loaded"]


async def test_a_request_never_loads_it_and_waits_no_longer_than_for_a_connection() -> None:
    go = threading.Event()

    def load() -> Asked:
        go.wait(10)
        return Asked("litellm")

    transports = Transports(Asked("native"), load)
    with pytest.raises(ConnectFailed, match="was not loaded"):
        await transports.send(OTHER, b"", b"", connect_timeout_s=1)
    transports.prepare()
    with pytest.raises(ConnectTimedOut, match="still being imported"):
        await transports.send(OTHER, b"", b"", connect_timeout_s=0.01)
    go.set()
    with pytest.raises(Named, match="litellm"):
        await transports.send(OTHER, b"", b"", connect_timeout_s=5)


async def test_what_cannot_be_loaded_cannot_be_reached() -> None:
    def load() -> Asked:
        raise ModuleNotFoundError("litellm")

    transports = Transports(Asked("native"), load)
    transports.prepare()
    with pytest.raises(ConnectFailed, match="run `trimtab check`"):
        await transports.send(OTHER, b"", b"", connect_timeout_s=5)
