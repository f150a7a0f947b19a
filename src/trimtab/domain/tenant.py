"""Who pays, under which contract class, and with which credential."""

import re
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from trimtab.domain.ids import KeyId, TenantId

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
"""What tenants, tiers and features may be called."""

RESERVED_PREFIX = "trimtab-"
"""Tenants of this prefix are the system's own."""

Positive = Annotated[int, Meta(ge=1)]


class ContentPolicy(StrEnum):
    """How much of what people wrote is kept."""

    FULL = "full"
    REDACTED = "redacted"
    NONE = "none"


class Durability(StrEnum):
    """What the last byte of an answer waits for: the write (`group`) or the disk (`strict`)."""

    GROUP = "group"
    STRICT = "strict"


class Limits(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What may be asked for at once and per minute. `None` is unlimited."""

    requests_per_minute: Positive | None = None
    tokens_per_minute: Positive | None = None
    parallel: Positive | None = None

    def over(self, base: "Limits") -> "Limits":
        """Merge by member: what is set here wins over the base."""
        return Limits(
            requests_per_minute=self.requests_per_minute or base.requests_per_minute,
            tokens_per_minute=self.tokens_per_minute or base.tokens_per_minute,
            parallel=self.parallel or base.parallel,
        )


class Tier(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A contract class: what its tenants get unless they say otherwise.

    Attributes:
        models: Names its tenants may call; `provider/*` allows every model of a provider.
    """

    name: str
    models: tuple[str, ...] = ()
    limits: Limits = Limits()
    content: ContentPolicy = ContentPolicy.FULL
    durability: Durability = Durability.GROUP


class Tenant(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who pays. `None` means: as the tier says."""

    id: TenantId
    tier: str
    models: tuple[str, ...] | None = None
    limits: Limits = Limits()
    content: ContentPolicy | None = None
    durability: Durability | None = None
    timezone: str = "UTC"


class Suspension(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A kill switch that is on; `seq` of its change and `until_us` live beside it."""

    reason: str
    until_us: int | None = None


class Key(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A credential of a tenant. Only the SHA-256 of the key text is kept.

    Attributes:
        sha256: Hex digest of the whole key text.
        models: Narrows the tenant's list; `None` leaves it.
        expires_us: Instant after which it is refused.
    """

    id: KeyId
    name: str
    tenant: TenantId
    sha256: str
    models: tuple[str, ...] | None = None
    expires_us: int | None = None
    revoked: bool = False
