"""What all routes of the OpenAI API share: where they are, how one logs in, how they fail.

Wire facts: https://platform.openai.com/docs/api-reference/authentication and
https://platform.openai.com/docs/guides/error-codes.
"""

from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from trimtab.domain.model import Provider, ProviderWire
from trimtab.domain.transport import render_head
from trimtab.providers.base import UNREADABLE, ProviderFault

# Servers that only speak this wire, such as vLLM, say it in words.
_TOO_LONG = "maximum context length"


class Error(Struct):
    """OpenAI's error object."""

    message: str | None = None
    type: str | None = None
    code: str | int | None = None


class _ErrorBody(Struct):
    error: Error | str | None = None


_error_body = msgspec.json.Decoder(_ErrorBody)


def head(
    provider: Provider, secret: str, headers: tuple[tuple[str, str], ...], route: str
) -> bytes:
    """Render the head of a request to a route below the base URL, such as `/embeddings`."""
    url = urlsplit(provider.url)
    sent = [("host", url.netloc), ("content-type", "application/json"), *headers]
    if secret:
        sent.append(("authorization", f"Bearer {secret}"))
    base = url.path.rstrip("/")
    if provider.wire is ProviderWire.CALLER:
        base = base.removesuffix("/v1") + "/v1"
    return render_head("POST", base + route, sent)


def fault(error_body: bytes) -> ProviderFault:
    """Read an error answer; never fails."""
    try:
        error = _error_body.decode(error_body).error
    except UNREADABLE:
        return ProviderFault("unknown", "")
    if isinstance(error, Error):
        message = error.message or ""
        too_long = error.code == "context_length_exceeded" or _TOO_LONG in message
        return ProviderFault(error.type or str(error.code or "unknown"), message, too_long)
    return ProviderFault("unknown", error or "")
