"""What one account is to `litellm`: the arguments that its every call is given.

They come from the file alone. A request has no say in them: see `fields`.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum

import msgspec
from msgspec import Struct

from trimtab.domain.model import Provider

SCHEME = "litellm"
"""Scheme of the origin of a provider that is called through it."""

REGIONS: Mapping[str, str] = {
    "bedrock": "aws_region_name",
    "sagemaker": "aws_region_name",
    "sagemaker_chat": "aws_region_name",
    "vertex_ai": "vertex_location",
}
"""What it calls the region of a provider; others have none, or one that is part of their URL."""

FIXED: Mapping[str, object] = {
    # Attempts, fallbacks, caches and logs are the pipeline's.
    "num_retries": 0,
    "max_retries": 0,
    "fallbacks": None,
    "context_window_fallback_dict": None,
    "model_list": None,
    "caching": False,
    "no-log": True,
}
"""Arguments of every call, which nobody sets."""


class Operation(StrEnum):
    """What is asked for."""

    CHAT = "chat"
    EMBEDDINGS = "embeddings"


class Account(Struct, frozen=True):
    """What goes with every call.

    Attributes:
        given: Arguments by name: the key, and what may be a reference to a secret.
        secrets: What no message may repeat.
    """

    operation: Operation
    prefix: str
    given: dict[str, object]
    secrets: tuple[str, ...] = ()

    def with_secrets(self, resolved: Callable[[object], object]) -> "Account":
        """Put what references lead to in their place."""
        given = {name: resolved(value) for name, value in self.given.items()}
        secrets = [str(it) for name, it in given.items() if it != self.given[name]]
        secrets.append(str(given.get("api_key", "")))
        return msgspec.structs.replace(self, given=given, secrets=tuple(filter(None, secrets)))


_decoder = msgspec.json.Decoder(Account)


def head(provider: Provider, secret: str, operation: Operation) -> bytes:
    """Write an account where other wires have request line and headers: `read` takes it back."""
    prefix = provider.model_prefix or ""
    given: dict[str, object] = {**provider.options}
    if provider.region is not None:
        given[REGIONS[prefix.partition("/")[0]]] = provider.region
    if provider.url:
        given["api_base"] = provider.url
    if secret:
        given["api_key"] = secret
    return msgspec.json.encode(Account(operation, prefix, given))


def read(written: bytes) -> Account:
    """Read what `head` wrote."""
    return _decoder.decode(written)
