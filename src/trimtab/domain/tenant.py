"""Who pays, under which contract class, and with which credential."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta, Struct

from trimtab.domain.billing import Plan
from trimtab.domain.budget import Budget
from trimtab.domain.ids import KeyId, TenantId

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
"""What tenants, tiers and features may be called."""

RESERVED_PREFIX = "trimtab-"
"""Tenants of this prefix are the system's own."""

EVALS = "trimtab-eval"
"""Who pays for evaluations: of the system's own tenants the one that the file names."""

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


class JudgePolicy(StrEnum):
    """Whether samples of a tenant's live traffic may be judged."""

    SAMPLED = "sampled"
    NEVER = "never"


class SearchPolicy(StrEnum):
    """Whether what people wrote can be searched by its words."""

    PLAIN = "plain"
    OFF = "off"


class WhenAway(StrEnum):
    """What a worker does while the limits that it shares with others are away.

    `closed` refuses; `local_share` lets its own share of every limit pass; `open` lets all pass.
    """

    CLOSED = "closed"
    LOCAL_SHARE = "local_share"
    OPEN = "open"


class WhenFull(StrEnum):
    """What becomes of a request while it cannot be written down, for the disk is full.

    `closed` refuses it; `open` serves it, and its record waits in memory.
    """

    CLOSED = "closed"
    OPEN = "open"


class Limits(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What may be asked for at once and per minute. `None` is unlimited.

    Attributes:
        shadow: Whether they only count: who goes beyond is not refused, and the record says so.
    """

    requests_per_minute: Positive | None = None
    tokens_per_minute: Positive | None = None
    parallel: Positive | None = None
    shadow: bool | None = None

    def over(self, base: "Limits") -> "Limits":
        """Merge by member: what is set here wins over the base."""
        return Limits(
            requests_per_minute=self.requests_per_minute or base.requests_per_minute,
            tokens_per_minute=self.tokens_per_minute or base.tokens_per_minute,
            parallel=self.parallel or base.parallel,
            shadow=base.shadow if self.shadow is None else self.shadow,
        )


class Tier(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A contract class: what its tenants get unless they say otherwise.

    Attributes:
        models: Names its tenants may call; `provider/*` allows every model of a provider.
        server_tools: Tools its tenants may have run at a provider.
        plan: What they are billed; `None` is what it cost.
    """

    name: str
    models: tuple[str, ...] = ()
    limits: Limits = Limits()
    content: ContentPolicy = ContentPolicy.FULL
    judge: JudgePolicy = JudgePolicy.SAMPLED
    search: SearchPolicy = SearchPolicy.PLAIN
    durability: Durability = Durability.GROUP
    budget: Budget = Budget()
    when_redis_is_down: WhenAway | None = None
    when_spool_is_full: WhenFull = WhenFull.CLOSED
    server_tools: tuple[str, ...] = ()
    plan: Plan | None = None


class Tenant(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who pays. `None` means: as the tier says.

    Attributes:
        features: Budgets of single features, by name.
        each_end_user: What each end user may spend.
        prices: What targets cost under its own contract, in the form of `prices.overrides`.
        stripe_customer: Who pays its bills at Stripe; `None` if they are not passed on.
        trust_trace_context: Whether its callers may make requests part of their traces.
    """

    id: TenantId
    tier: str
    models: tuple[str, ...] | None = None
    limits: Limits = Limits()
    content: ContentPolicy | None = None
    judge: JudgePolicy | None = None
    search: SearchPolicy | None = None
    durability: Durability | None = None
    when_redis_is_down: WhenAway | None = None
    when_spool_is_full: WhenFull | None = None
    server_tools: tuple[str, ...] | None = None
    timezone: str = "UTC"
    budget: Budget = Budget()
    features: Mapping[str, Budget] = {}
    each_end_user: Budget = Budget()
    prices: Mapping[str, Any] = {}
    plan: Plan | None = None
    stripe_customer: str | None = None
    trust_trace_context: bool = True


ANY_TENANT = "*"


class KeyRight(StrEnum):
    """What a key may ask for in a header, or take in, beyond calling models."""

    EVALS = "evals"
    REPLAY = "replay"
    KEEP = "keep"
    DURABILITY = "durability"
    FORCE_ARM = "force_arm"
    INGEST_ANY = "ingest_any"


class KeyTerms(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a key is for. It belongs to one tenant, or acts for those it names.

    Attributes:
        tenant: Who pays; `None` for a key that acts for many.
        models: Narrows the tenant's list; `None` leaves it.
        expires_us: Instant after which it is refused.
        act_for: Tenants that requests may name in a header; `*` is any.
        new_tenant_tier: Tier in which a tenant never seen is made; `None` refuses it.
        budget: What may be spent with it.
        trust_trace_context: Whether who has it may; not with one that browsers have.
    """

    name: str
    tenant: TenantId | None = None
    models: tuple[str, ...] | None = None
    expires_us: int | None = None
    may: tuple[KeyRight, ...] = ()
    act_for: tuple[str, ...] = ()
    new_tenant_tier: str | None = None
    budget: Budget = Budget()
    trust_trace_context: bool = True

    def may_act_for(self, tenant: str) -> bool:
        """Whether requests may name a tenant; never one of the system's own."""
        listed = tenant in self.act_for or ANY_TENANT in self.act_for
        return listed and not tenant.startswith(RESERVED_PREFIX)


class Retiring(Struct, frozen=True):
    """The text of a key before it was rotated, good until an instant."""

    sha256: str
    until_us: int


class Key(KeyTerms, frozen=True, kw_only=True, omit_defaults=True):
    """A credential. Only the SHA-256 of its text is kept.

    Attributes:
        sha256: Hex digest of the whole key text.
        retiring: Its text before, while a rotation overlaps.
    """

    id: KeyId
    sha256: str
    retiring: Retiring | None = None
    revoked: bool = False

    def knows(self, sha256: str, at_us: int) -> bool:
        """Whether the text of that hash is still one of its own at an instant."""
        old = self.retiring
        retiring = old is not None and sha256 == old.sha256 and at_us < old.until_us
        return not self.revoked and (sha256 == self.sha256 or retiring)
