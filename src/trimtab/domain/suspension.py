"""Kill switches: what each stops, how much, and until when."""

from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct

from trimtab.domain.change import Pointer, PointerKind
from trimtab.domain.tenant import Positive


class ScopeKind(StrEnum):
    """What a kill switch may stop."""

    SITE = "site"
    TENANT = "tenant"
    KEY = "key"
    FEATURE = "feature"
    USER = "user"
    MODEL = "model"
    PROVIDER = "provider"


OF_A_TENANT = frozenset({ScopeKind.FEATURE, ScopeKind.USER})
"""Kinds whose names mean something within a tenant only."""


class Scope(NamedTuple):
    """What one kill switch stops.

    Attributes:
        name: Id of the tenant or key, name of the feature, model or provider, hash of the end
                user as records carry it.
        tenant: Whose feature or user; "" for the others.
    """

    kind: ScopeKind
    name: str
    tenant: str = ""

    @property
    def pointer(self) -> Pointer:
        """What the change log calls its switch, as `suspension/feature:acme/search`."""
        within = f"{self.tenant}/" if self.tenant else ""
        return Pointer(PointerKind.SUSPENSION, f"{self.kind}:{within}{self.name}")

    def __str__(self) -> str:
        if self.kind is ScopeKind.SITE:
            return "the whole site"
        # The hash of a user says nothing to whoever is told.
        named = "this user" if self.kind is ScopeKind.USER else f"{self.kind} {self.name!r}"
        return f"{named} of tenant {self.tenant!r}" if self.tenant else named


WHOLE_SITE = Scope(ScopeKind.SITE, "all")


def scope_of(pointer: Pointer) -> Scope:
    """Read what a suspension's pointer stops; a bare name is a tenant's."""
    kind, colon, name = pointer.name.partition(":")
    if not colon:
        return Scope(ScopeKind.TENANT, pointer.name)
    scope = Scope(ScopeKind(kind), name)
    if scope.kind not in OF_A_TENANT:
        return scope
    tenant, _, name = name.partition("/")
    return Scope(scope.kind, name, tenant)


class Suspension(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A kill switch that is on.

    Attributes:
        until_us: Instant at which it ends by itself.
        running: Whether streams that run already are ended, too.
        requests_per_minute: What still passes, of a tenant that is only slowed down; `None` lets
            nothing pass.
    """

    reason: str
    until_us: int | None = None
    running: bool = False
    requests_per_minute: Positive | None = None

    def is_on(self, at_us: int) -> bool:
        """Whether it has not ended by itself."""
        return self.until_us is None or at_us < self.until_us

    def stops(self, at_us: int) -> bool:
        """Whether it lets nothing pass at an instant."""
        return self.requests_per_minute is None and self.is_on(at_us)
