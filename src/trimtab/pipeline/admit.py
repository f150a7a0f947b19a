"""Stage 1: whose request is this, and may it run at all?

Everything is a look-up in the snapshot; no store is asked.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

from trimtab.control.snapshot import Grant, Snapshot
from trimtab.domain.clock import Clock
from trimtab.domain.errors import (
    KeyExpired,
    KeyRevoked,
    ModelNotAllowed,
    ModelNotFound,
    TenantSuspended,
    Unauthenticated,
)
from trimtab.domain.ids import KeyId
from trimtab.domain.keys import digest, key_id_of
from trimtab.pipeline.handoff import Admitted, Identified, Request

MAX_REMEMBERED = 10_000

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
            Unauthenticated: no such key; KeyRevoked, KeyExpired: it was one.
        """
        snapshot = self.snapshot()
        return Identified(request, snapshot, self.grant(request.key, snapshot))

    def grant(self, key: str, snapshot: Snapshot | None = None) -> Grant:
        """Find what a key may do; an unknown id takes as long as a wrong secret.

        Raises:
            Unauthenticated: no such key; KeyRevoked, KeyExpired: it was one.
        """
        key_id, hashed = self._right.get(key) or (key_id_of(key), digest(key))
        if key_id is None:
            raise Unauthenticated(_REFUSED)
        grant = (snapshot or self.snapshot()).grants.get(key_id)
        known = _NOBODY if grant is None else grant.key.sha256
        if not hmac.compare_digest(known, hashed) or grant is None:
            raise Unauthenticated(_REFUSED)
        if len(self._right) >= MAX_REMEMBERED:
            self._right.clear()
        self._right[key] = key_id, hashed
        if grant.key.revoked:
            raise KeyRevoked(f"key {grant.key.id!r} was revoked; use another")
        if grant.key.expires_us is not None and grant.key.expires_us <= self.clock.now_us():
            raise KeyExpired(f"key {grant.key.id!r} has expired; use another")
        return grant


@dataclass(frozen=True, slots=True)
class Admit:
    """Let a request in whose tenant is not suspended and may call the model."""

    clock: Clock

    def __call__(self, identified: Identified) -> Admitted:
        """Admit a request, or say why not.

        Raises:
            TenantSuspended: the kill switch is on.
            ModelNotFound, ModelNotAllowed: the model is not there, or not for this key.
        """
        self.check_switch(identified)
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
        return Admitted(request, identified.snapshot, grant, model)

    def check_switch(self, identified: Identified) -> None:
        """Check the kill switch.

        Raises:
            TenantSuspended: it is on; a switch with an end is off after it.
        """
        suspension = identified.grant.suspension
        if suspension is None:
            return
        if suspension.until_us is None or suspension.until_us > self.clock.now_us():
            tenant = identified.grant.tenant.id
            raise TenantSuspended(
                f"tenant {tenant!r} is suspended; an operator can resume it with"
                f" `trimtab tenants resume {tenant}`"
            )
