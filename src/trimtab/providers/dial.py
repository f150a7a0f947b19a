"""Making connections: names to checked addresses, TLS that is always verified, proxies."""

import asyncio
import base64
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from trimtab.domain.transport import AddressRefused, ConnectFailed, ConnectTimedOut, Origin

MAX_PROXY_HEAD = 16 * 1024

Address = tuple[str, int]
Resolve = Callable[[str, int], Awaitable[list[Address]]]
P = TypeVar("P", bound=asyncio.Protocol)


async def resolve(host: str, port: int) -> list[Address]:
    """Ask the system for the addresses of a name, in its order of preference."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(str(address[0]), int(address[1])) for *_, address in found]


async def dial(
    make: Callable[[], P], origin: Origin, timeout_s: float, resolve_name: Resolve = resolve
) -> P:
    """Connect to an origin, to exactly the address that was checked.

    Raises:
        ConnectFailed: with the reason in its class, and nothing sent.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await _dial(make, origin, resolve_name)
    except TimeoutError as exc:
        raise ConnectTimedOut(f"no connection within {timeout_s:g} s") from exc
    except (OSError, ssl.SSLError, UnicodeError) as exc:
        raise ConnectFailed(f"no connection ({type(exc).__name__})") from exc


async def _dial(make: Callable[[], P], origin: Origin, resolve_name: Resolve) -> P:
    loop = asyncio.get_running_loop()
    if origin.scheme == "unix":
        _, protocol = await loop.create_unix_connection(make, origin.host)
        return protocol
    if origin.proxy is not None:
        return await _tunnel(make, origin, origin.proxy)
    tls = _context(origin.ca_file) if origin.scheme == "https" else None
    name = origin.host if tls else None
    failed: OSError | None = None
    for host, port in _checked(await resolve_name(origin.host, origin.port), origin):
        try:
            _, protocol = await loop.create_connection(
                make, host, port, ssl=tls, server_hostname=name
            )
        except ssl.SSLError:
            raise
        except OSError as exc:
            failed = exc
        else:
            return protocol
    raise failed or ConnectFailed("the name has no address")


def _checked(addresses: list[Address], origin: Origin) -> list[Address]:
    if origin.allow_private:
        return addresses
    public = [address for address in addresses if _is_public(address[0])]
    if addresses and not public:
        raise AddressRefused("the name leads to a private address")
    return public


def _is_public(host: str) -> bool:
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_global and not address.is_multicast


async def _tunnel(make: Callable[[], P], origin: Origin, proxy: str) -> P:
    """Ask a proxy for a tunnel (RFC 9110, section 9.3.6), then speak through it."""
    url = urlsplit(proxy)
    authority = f"{origin.host}:{origin.port}"
    head = f"CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n"
    if url.username is not None:
        login = f"{unquote(url.username)}:{unquote(url.password or '')}"
        head += f"proxy-authorization: Basic {base64.b64encode(login.encode()).decode()}\r\n"
    loop = asyncio.get_running_loop()
    transport, opening = await loop.create_connection(
        _Opening, url.hostname or "", url.port or 8080
    )
    try:
        transport.write(head.encode("latin-1") + b"\r\n")
        await opening.answered
        protocol = make()
        if origin.scheme == "https":
            tls = await loop.start_tls(
                transport, protocol, _context(origin.ca_file), server_hostname=origin.host
            )
            protocol.connection_made(tls or transport)
        else:
            transport.set_protocol(protocol)
            protocol.connection_made(transport)
    except BaseException:
        transport.abort()
        raise
    return protocol


class _Opening(asyncio.Protocol):
    """Reads a proxy's answer to CONNECT. State: the bytes of its head so far."""

    def __init__(self) -> None:
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._head = b""

    def data_received(self, data: bytes) -> None:
        self._head += data
        if self.answered.done():
            return
        if self._head.endswith(b"\r\n\r\n") and self._head.split(b" ")[1] == b"200":
            self.answered.set_result(None)
        elif b"\r\n\r\n" in self._head or len(self._head) > MAX_PROXY_HEAD:
            self.answered.set_exception(ConnectFailed("the proxy refuses to tunnel"))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.answered.done():
            self.answered.set_exception(ConnectFailed(f"the proxy hung up ({exc})"))


@lru_cache(maxsize=64)
def _context(ca_file: str | None) -> ssl.SSLContext:
    """Make a context that verifies; there is no way to have one that does not."""
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context
