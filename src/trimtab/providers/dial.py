"""Making connections: names to checked addresses, TLS that is always verified, proxies."""

import asyncio
import base64
import ipaddress
import re
import socket
import ssl
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import TypeVar
from urllib.parse import SplitResult, unquote, urlsplit

from trimtab.domain.transport import AddressRefused, ConnectFailed, ConnectTimedOut, Origin

MAX_PROXY_HEAD = 16 * 1024

Address = tuple[str, int]
Resolve = Callable[[str, int], Awaitable[list[Address]]]
P = TypeVar("P", bound=asyncio.Protocol)

_IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Metadata services of clouds at addresses that the registry of special addresses calls global.
_METADATA = (ipaddress.ip_network("168.63.129.16/32"), ipaddress.ip_network("192.0.0.0/24"))
_ESTABLISHED = re.compile(rb"HTTP/1\.[01] 2\d\d[ \r]")


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
    deadline_s = asyncio.get_running_loop().time() + timeout_s
    try:
        async with asyncio.timeout_at(deadline_s):
            if origin.scheme == "unix":
                return await _unix(make, origin)
            if origin.proxy is not None:
                return await _tunnel(make, origin, origin.proxy)
            return await _direct(make, origin, deadline_s, resolve_name)
    except TimeoutError as exc:
        raise ConnectTimedOut(
            f"no connection to '{origin.host}' within {timeout_s:g} s; try again later"
        ) from exc
    except ssl.SSLError as exc:
        reason = getattr(exc, "verify_message", None) or exc.reason or type(exc).__name__
        raise ConnectFailed(
            f"no TLS with '{origin.host}' ({reason}); set ca_file if its root is your own"
        ) from exc
    except (OSError, ValueError) as exc:
        raise ConnectFailed(
            f"no connection to '{origin.host}' ({type(exc).__name__}); check url, proxy and ca_file"
        ) from exc


async def _unix(make: Callable[[], P], origin: Origin) -> P:
    _, protocol = await asyncio.get_running_loop().create_unix_connection(make, origin.host)
    return protocol


async def _direct(
    make: Callable[[], P], origin: Origin, deadline_s: float, resolve_name: Resolve
) -> P:
    loop = asyncio.get_running_loop()
    tls = _context(origin.ca_file) if origin.scheme == "https" else None
    name = origin.host if tls else None
    addresses = _checked(await resolve_name(origin.host, origin.port), origin)
    failed: OSError = ConnectionError("the name has no address")
    for index, (host, port) in enumerate(addresses):
        # A silent address leaves the others their share of the time.
        share_s = (deadline_s - loop.time()) / (len(addresses) - index)
        try:
            async with asyncio.timeout(share_s):
                _, protocol = await loop.create_connection(
                    make, host, port, ssl=tls, server_hostname=name
                )
        except ssl.SSLError:
            raise
        except OSError as exc:
            failed = exc
        else:
            return protocol
    raise failed


def _checked(addresses: list[Address], origin: Origin) -> list[Address]:
    if origin.allow_private:
        return addresses
    public = [
        address
        for address in addresses
        if _is_public(ipaddress.ip_address(address[0].partition("%")[0]))
    ]
    if addresses and not public:
        raise _refused(origin)
    return public


def _check_literal(origin: Origin) -> None:
    """Refuse a private address that is written out; names are the proxy's to resolve."""
    try:
        address = ipaddress.ip_address(origin.host.partition("%")[0])
    except ValueError:
        return
    if not origin.allow_private and not _is_public(address):
        raise _refused(origin)


def _refused(origin: Origin) -> AddressRefused:
    return AddressRefused(
        f"'{origin.host}' leads to a private address; set allow_private_network to allow it"
    )


def _is_public(address: _IPAddress) -> bool:
    if isinstance(address, ipaddress.IPv4Address):
        special = address.is_multicast or any(address in network for network in _METADATA)
        return address.is_global and not special
    inner = _inner(address)
    if inner is not None:
        return _is_public(inner)
    return address.is_global and address in _GLOBAL_UNICAST


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Give the IPv4 address that packets to an IPv6 one end at (RFC 4291, 3056, 6052)."""
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


async def _tunnel(make: Callable[[], P], origin: Origin, proxy: str) -> P:
    """Ask a proxy for a tunnel (RFC 9110, section 9.3.6), then speak through it."""
    _check_literal(origin)
    url = urlsplit(proxy)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ConnectFailed("the proxy is no http:// or https:// URL; check HTTPS_PROXY")
    loop = asyncio.get_running_loop()
    secure = url.scheme == "https"
    transport, opening = await loop.create_connection(
        _Opening,
        url.hostname,
        url.port or (443 if secure else 80),
        ssl=_context(origin.ca_file) if secure else None,
    )
    try:
        transport.write(_connect_head(origin, url))
        await opening.established
        return await _through(transport, make(), origin)
    except BaseException:
        transport.abort()
        raise


async def _through(tunnel: asyncio.Transport, protocol: P, origin: Origin) -> P:
    if origin.scheme == "https":
        secured = await asyncio.get_running_loop().start_tls(
            tunnel, protocol, _context(origin.ca_file), server_hostname=origin.host
        )
        if secured is None:
            raise ConnectionError("the tunnel closed")
        protocol.connection_made(secured)
    else:
        tunnel.set_protocol(protocol)
        protocol.connection_made(tunnel)
    return protocol


def _connect_head(origin: Origin, proxy: SplitResult) -> bytes:
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    head = f"CONNECT {host}:{origin.port} HTTP/1.1\r\nhost: {host}:{origin.port}\r\n"
    if proxy.username is not None:
        login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        head += f"proxy-authorization: Basic {base64.b64encode(login.encode()).decode()}\r\n"
    return head.encode("latin-1") + b"\r\n"


class _Opening(asyncio.Protocol):
    """Reads a proxy's answer to CONNECT. State: the bytes of its head so far."""

    def __init__(self) -> None:
        self.established: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._head = b""

    def data_received(self, data: bytes) -> None:
        self._head += data
        if self.established.done():
            return
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if end and not rest and _ESTABLISHED.match(head + b"\r"):
            self.established.set_result(None)
        elif end or len(head) > MAX_PROXY_HEAD:
            self.established.set_exception(ConnectFailed("the proxy refuses to tunnel"))

    def connection_lost(self, exc: Exception | None) -> None:
        _ = exc
        if not self.established.done():
            self.established.set_exception(ConnectFailed("the proxy hung up"))


@lru_cache(maxsize=64)
def _context(ca_file: str | None) -> ssl.SSLContext:
    """Make a context that verifies; there is no way to have one that does not."""
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context
