"""What all routes of the Anthropic API share: where they are, how one logs in, how they fail.

Wire facts: https://docs.anthropic.com/en/api/overview and https://docs.anthropic.com/en/api/errors.
"""

from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from trimtab.domain.model import Provider
from trimtab.domain.transport import render_head
from trimtab.providers.base import UNREADABLE, ProviderFault

DEFAULT_VERSION = "2023-06-01"

# https://docs.anthropic.com/en/docs/build-with-claude/context-windows: it has no type of its own.
_TOO_LONG = "prompt is too long"


class Error(Struct):
    """Anthropic's error object."""

    type: str | None = None
    message: str | None = None


class _ErrorBody(Struct):
    error: Error | None = None


_error_body = msgspec.json.Decoder(_ErrorBody)


def head(
    provider: Provider, secret: str, headers: tuple[tuple[str, str], ...], route: str
) -> bytes:
    """Render the head of a request to a route below the root, such as `/v1/messages`."""
    url = urlsplit(provider.url)
    sent = [("host", url.netloc), ("content-type", "application/json"), *headers]
    if not any(name == "anthropic-version" for name, _ in headers):
        sent.append(("anthropic-version", DEFAULT_VERSION))
    if secret:
        sent.append(("x-api-key", secret))
    return render_head("POST", url.path.rstrip("/").removesuffix("/v1") + route, sent)


def fault(error_body: bytes) -> ProviderFault:
    """Read an error answer; never fails."""
    try:
        error = _error_body.decode(error_body).error or Error()
    except UNREADABLE:
        return ProviderFault("unknown", "")
    message = error.message or ""
    return ProviderFault(error.type or "unknown", message, message.startswith(_TOO_LONG))
