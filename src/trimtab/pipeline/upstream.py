"""Where an attempt goes: the origin and the request head, rendered once per account."""

from collections.abc import Callable
from urllib.parse import urlsplit

from trimtab.domain.ids import span_id
from trimtab.domain.model import Provider, ProviderWire, Wire
from trimtab.domain.trace_context import RANDOM, SAMPLED, traceparent
from trimtab.domain.transport import Origin
from trimtab.pipeline.handoff import Request, Route
from trimtab.providers.litellm.account import SCHEME

MAX_HEADS = 1024

Headers = tuple[tuple[str, str], ...]


def trace_headers(request: Request, attempt: int) -> bytes:
    """Write the trace of an attempt for who keeps spans of its own; more lines of the head."""
    context = request.trace
    flags = SAMPLED * context.is_sampled | RANDOM * context.is_random
    parent = traceparent(request.trace_id, span_id(request.request_id, f"attempt/{attempt}"), flags)
    state = f"tracestate: {context.tracestate}\r\n" if context.tracestate else ""
    return f"traceparent: {parent}\r\n{state}".encode("latin-1")


class Upstream:
    """An origin and a rendered head; `provider` is the account they were made for."""

    __slots__ = ("head", "origin", "provider")

    def __init__(self, provider: Provider, origin: Origin, head: bytes) -> None:
        self.provider = provider
        self.origin = origin
        self.head = head


class Upstreams:
    """Renders heads. State: those rendered, until their account changes.

    Credentials are resolved here and nowhere else, when an account is first used or was changed.
    """

    def __init__(
        self,
        secret: Callable[[str], str],
        proxy: Callable[[str], str | None],
    ) -> None:
        """Begin with nothing rendered.

        Args:
            secret: Reads a credential by its reference; raises `ProviderAuth`.
            proxy: Gives the proxy for a host that is reached by HTTPS.
        """
        self._secret = secret
        self._proxy = proxy
        self._rendered: dict[tuple[str, int, Wire, Headers], Upstream] = {}

    def __call__(self, route: Route, request: Request) -> Upstream:
        """Give where a request goes on a route."""
        provider = route.provider
        key = (provider.name, route.key, request.wire, request.wire_headers)
        upstream = self._rendered.get(key)
        if upstream is None or upstream.provider is not provider:
            if len(self._rendered) >= MAX_HEADS:
                self._rendered.clear()
            upstream = self._rendered[key] = self._render(route, request)
        return upstream

    def _render(self, route: Route, request: Request) -> Upstream:
        provider = route.provider
        reference = provider.keys[route.key]
        secret = "" if reference == "none" else self._secret(reference)
        head = route.adapter.head(provider, secret, request.wire_headers)
        return Upstream(provider, self._origin(provider), head)

    def _origin(self, provider: Provider) -> Origin:
        if provider.wire is ProviderWire.LITELLM:
            return Origin(scheme=SCHEME, host=provider.name)
        url = urlsplit(provider.url)
        return Origin(
            scheme=url.scheme,
            host=url.hostname or "",
            port=url.port or (443 if url.scheme == "https" else 80),
            allow_private=provider.allow_private_network,
            ca_file=provider.ca_file,
            proxy=self._proxy(url.hostname or "") if url.scheme == "https" else None,
        )
