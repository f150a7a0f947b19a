"""A request with an idempotency key is carried out once, however often it is sent."""

from collections.abc import Callable
from dataclasses import dataclass

from trimtab.domain.errors import IdempotencyDone, IdempotencyInFlight, IdempotencyMismatch
from trimtab.pipeline.handoff import Admitted, Request
from trimtab.pipeline.journey import Journey
from trimtab.store.base.idempotency import Claim, IdempotencyStore

KEPT_S = 600.0
LARGEST_ANSWER = 256 * 1024
COME_BACK_S = 1.0


@dataclass(frozen=True, slots=True)
class Once:
    """Find out whether a request was sent before, and remember what came of it.

    Attributes:
        hashed: Hashes a text under the key of a tenant.
    """

    store: IdempotencyStore
    hashed: Callable[[str, str], str | None]

    async def __call__(self, admitted: Admitted, journey: Journey) -> Claim | None:
        """Claim the key of a request, if it has one, or give the earlier one whose answer it gets.

        Raises:
            IdempotencyMismatch: the earlier one asked for something else.
            IdempotencyInFlight: it still runs.
            IdempotencyDone: it was carried out, and its answer cannot be given again.
        """
        request = admitted.request
        if request.idempotency_key is None:
            return None
        claim = Claim(request_id=request.request_id, asked=request.asked)
        name = self._name(request, admitted.grant.tenant.id)
        earlier = await self.store.claim(name, claim, lease_s=KEPT_S)
        if earlier is None:
            journey.claimed = True
            return None
        if earlier.asked != request.asked:
            raise IdempotencyMismatch(
                f"request {earlier.request_id!r} had the same idempotency key and asked for"
                " something else; send a new key with a new request"
            )
        if not earlier.done:
            raise IdempotencyInFlight(
                f"request {earlier.request_id!r} has the same idempotency key and still runs; ask"
                " again in a second",
                wait_s=COME_BACK_S,
            )
        if earlier.answer is None:
            raise IdempotencyDone(
                f"request {earlier.request_id!r} had the same idempotency key and was carried out;"
                " its answer was a stream, too large or cut off, so send a new key to ask again"
            )
        return earlier

    async def ended(self, journey: Journey, answer: bytes | None, *, failed: bool) -> None:
        """Say what came of a request that has its key; one that bought nothing gives it back."""
        identified = journey.identified
        if identified is None or not journey.claimed:
            return
        request = journey.request
        name = self._name(request, identified.grant.tenant.id)
        if failed and not _bought(journey):
            await self.store.free(name, request.request_id)
            return
        if answer is not None and len(answer) > LARGEST_ANSWER:
            answer = None
        claim = Claim(request_id=request.request_id, asked=request.asked, done=True, answer=answer)
        await self.store.keep(name, claim, for_s=KEPT_S)

    def _name(self, request: Request, tenant_id: str) -> str:
        return f"{tenant_id}/{self.hashed(tenant_id, request.idempotency_key or '')}"


def _bought(journey: Journey) -> bool:
    """Whether a provider may have worked for it, and so may bill it."""
    return any(
        attempt.dispatched and (attempt.error is None or attempt.error.usage_possible)
        for attempt in journey.tries
    )
