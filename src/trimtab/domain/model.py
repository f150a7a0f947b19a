"""What a request may be sent to: models apps name, and the targets behind them."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

Seconds = Annotated[float, Meta(gt=0, le=86_400)]


class Wire(StrEnum):
    """Dialects of HTTP that apps and providers speak."""

    OPENAI_CHAT = "openai.chat"
    ANTHROPIC_MESSAGES = "anthropic.messages"


class ProviderWire(StrEnum):
    """What a provider understands; `caller` is both, so requests keep the wire they came in."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    CALLER = "caller"


class OnClientGone(StrEnum):
    """What happens upstream when the caller hangs up: read on, or close (billed or not)."""

    DRAIN = "drain"
    CANCEL = "cancel"
    CANCEL_FREE = "cancel_free"


class ModelKind(StrEnum):
    """`alias` may be moved; `freezer` is pinned to a dated model; `direct` is a provider's name."""

    ALIAS = "alias"
    FREEZER = "freezer"
    DIRECT = "direct"


class Target(Struct, frozen=True):
    """One model of one provider, under the name that provider gives it."""

    provider: str
    model: str

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}"


class Timeouts(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How long an attempt may take, in seconds. `first_token` counts to the first content event."""

    connect: Seconds = 5.0
    first_token: Seconds = 60.0
    between_tokens: Seconds = 60.0
    total: Seconds = 600.0


class Model(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A name apps use and where it leads.

    Attributes:
        review_by: ISO date by which a freezer must be looked at again.
        undated_ok: Why a freezer names an undated model, if it does.
    """

    name: str
    kind: ModelKind
    to: Target
    timeouts: Timeouts = Timeouts()
    review_by: str | None = None
    undated_ok: str | None = None


class Provider(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An upstream account.

    Attributes:
        url: Base URL as the provider's SDK would take it.
        key: Reference to the credential (`env:NAME`, `file:PATH`) or `none`.
        prices_as: Name under which its models are priced; its own by default.
        allow_private_network: Whether it may live on a loopback or private address.
    """

    name: str
    wire: ProviderWire
    url: str
    key: str = "none"
    on_client_gone: OnClientGone = OnClientGone.CANCEL
    prices_as: str | None = None
    allow_private_network: bool = False
    ca_file: str | None = None

    @property
    def priced_as(self) -> str:
        """Name under which the price list knows its models."""
        return self.prices_as or self.name
