"""Stage 1: whose request is this, and may it run at all?

Everything is a look-up in the snapshot; no store is asked.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

from trimtab.control.snapshot import Grant, Snapshot
from trimtab.domain.clock import Clock
from trimtab.domain.errors import (
    FieldNotAllowed,
    InvalidRequest,
    KeyExpired,
    KeyRevoked,
    ModelNotAllowed,
    ModelNotFound,
    TenantNotAllowed,
    Unauthenticated,
)
from trimtab.domain.ids import KeyId, TenantId
from trimtab.domain.keys import digest, key_id_of
from trimtab.domain.tenant import NAME, Key
from trimtab.pipeline.handoff import Admitted, Identified, Request

MAX_REMEMBERED = 10_000
TENANT_HEADER = "x-trimtab-tenant"

_NOBODY = digest("")
_REFUSED = "the API key is missing or not valid; make one with `trimtab keys create`"


@dataclass(frozen=True, slots=True)
class Identify:
    """Find whose key a request carries.

    State: id and hash of key texts that were right before, for hashing a key costs more than all
    else that is done here.
    """

    snapshot: Callable[[], Snapshot]
    clock: Clock
    _right: dict[str, tuple[KeyId, str]] = field(default_factory=dict[str, tuple[KeyId, str]])

    def __call__(self, request: Request) -> Identified:
        """Identify a request by its key, under the configuration of this instant.

        Raises:
            Refused: as `grant` does.
        """
        snapshot = self.snapshot()
        return Identified(request, snapshot, self.grant(request.key, request.tenant, snapshot))

    def grant(
        self, text: str, tenant: str | None = None, snapshot: Snapshot | None = None
    ) -> Grant:
        """Find what a key may do; `tenant` is the one that the request names, if it names one.

        Raises:
            Unauthenticated, KeyRevoked, KeyExpired: the key is not good.
            InvalidRequest: a key that acts for many was sent, and no tenant.
            TenantNotAllowed: the key is not good for the tenant that is named.
        """
        snapshot = snapshot or self.snapshot()
        key = self.key(text, snapshot)
        if key.tenant is None:
            return _acted_for(key, tenant, snapshot)
        if tenant is not None and tenant != key.tenant:
            raise TenantNotAllowed(
                f"key {key.name!r} belongs to another tenant than x-trimtab-tenant names; drop the"
                " header, or send a key of that tenant"
            )
        return snapshot.grants[key.id]

    def key(self, text: str, snapshot: Snapshot) -> Key:
        """Find a key by its text; an unknown id takes as long as a wrong secret.

        Raises:
            Unauthenticated: no such key; KeyRevoked, KeyExpired: it was one.
        """
        key_id, hashed = self._right.get(text) or (key_id_of(text), digest(text))
        if key_id is None:
            raise Unauthenticated(_REFUSED)
        key = snapshot.key(key_id)
        known = _NOBODY if key is None else key.sha256
        right = hmac.compare_digest(known, hashed)
        if key is None or not (right or self._retiring(key, hashed)):
            raise Unauthenticated(_REFUSED)
        if len(self._right) >= MAX_REMEMBERED:
            self._right.clear()
        self._right[text] = key_id, hashed
        if key.revoked:
            raise KeyRevoked(f"key {key.id!r} was revoked; use another")
        if key.expires_us is not None and key.expires_us <= self.clock.now_us():
            raise KeyExpired(f"key {key.id!r} has expired; use another")
        return key

    def _retiring(self, key: Key, hashed: str) -> bool:
        """Whether a hash is that of the text before the last rotation.

        Raises:
            KeyExpired: it was, and the overlap is over.
        """
        old = key.retiring
        if old is None or not hmac.compare_digest(old.sha256, hashed):
            return False
        if old.until_us <= self.clock.now_us():
            raise KeyExpired(f"key {key.id!r} was rotated, and this text has expired; use the new")
        return True


def _acted_for(key: Key, tenant: str | None, snapshot: Snapshot) -> Grant:
    if tenant is None:
        raise InvalidRequest(
            f"key {key.name!r} acts for many tenants; name one in the header x-trimtab-tenant",
            param=TENANT_HEADER,
        )
    if NAME.fullmatch(tenant) is None:
        raise InvalidRequest(
            f"header {TENANT_HEADER!r} must be lower-case letters, digits, `.`, `_` or `-`",
            param=TENANT_HEADER,
        )
    if not key.may_act_for(tenant):
        raise TenantNotAllowed(f"key {key.name!r} does not act for tenant {tenant!r}; name another")
    grant = snapshot.acted_for(key, TenantId(tenant))
    if grant is None:
        raise TenantNotAllowed(
            f"there is no tenant {tenant!r}, and key {key.name!r} makes none; add the tenant, or"
            " set `new_tenant_tier` of the key"
        )
    return grant


@dataclass(frozen=True, slots=True)
class Admit:
    """Let a request in that no kill switch stops and whose key may call the model.

    Attributes:
        check: Raises `TenantSuspended` if a switch is on.
    """

    check: Callable[[Identified], None]

    def __call__(self, identified: Identified) -> Admitted:
        """Admit a request, or say why not.

        Raises:
            TenantSuspended: a kill switch is on.
            FieldNotAllowed: a tool shall run at the provider, and not for this tenant.
            ModelNotFound, ModelNotAllowed: the model is not there, or not for this key.
        """
        self.check(identified)
        request, grant = identified.request, identified.grant
        model = identified.snapshot.model(request.model)
        # A direct name goes on into headers and records.
        if model is None or not request.model.isprintable():
            raise ModelNotFound(
                f"model {request.model!r} is not configured; GET /v1/models lists what there is"
            )
        if not grant.allows(model.name):
            raise ModelNotAllowed(
                f"key {grant.key.name!r} may not call model {model.name!r};"
                " GET /v1/models lists what it may"
            )
        for member, tool in request.server_tools:
            if not grant.may_use(tool):
                raise FieldNotAllowed(
                    f"`{member}` has the tool {tool!r} run at the provider, which tenant"
                    f" {grant.tenant.id!r} may not; leave it out, or add it to `server_tools` of"
                    " the tenant",
                    param=member,
                )
        return Admitted(request, identified.snapshot, grant, model)
