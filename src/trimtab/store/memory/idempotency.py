"""Idempotency keys in the memory of the one worker that sees them."""

from trimtab.domain.clock import Clock
from trimtab.store.base.idempotency import Claim

MOST_KEYS = 100_000
MOST_BYTES = 64 << 20


class MemoryIdempotency:
    """`store.base.IdempotencyStore` in dicts. Atomic because no method awaits anything.

    What was carried out is bounded: of too many keys the oldest is forgotten, of too many bytes
    the oldest answer. State: claims with the instant they lapse, those that run apart from those
    that ended, and the answers.
    """

    def __init__(
        self, clock: Clock, *, most_keys: int = MOST_KEYS, most_bytes: int = MOST_BYTES
    ) -> None:
        self._clock = clock
        self._most_keys = most_keys
        self._most_bytes = most_bytes
        self._running: dict[str, tuple[Claim, float]] = {}
        self._ended: dict[str, tuple[Claim, float]] = {}
        self._answers: dict[str, bytes] = {}
        self._bytes = 0

    async def claim(self, key: str, claim: Claim, *, lease_s: float) -> Claim | None:
        """See `IdempotencyStore.claim`."""
        now_s = self._clock.monotonic_s()
        self._forget_old(now_s)
        found, until_s = self._running.get(key) or self._ended.get(key) or (None, 0.0)
        if found is not None and until_s > now_s and found.request_id != claim.request_id:
            answer = self._answers.get(key)
            return Claim(
                request_id=found.request_id, asked=found.asked, done=found.done, answer=answer
            )
        self._drop(key)
        self._running[key] = claim, now_s + lease_s
        return None

    async def keep(self, key: str, claim: Claim, *, for_s: float) -> None:
        """See `IdempotencyStore.keep`."""
        if not self._has(key, claim.request_id):
            return
        del self._running[key]
        bare = Claim(request_id=claim.request_id, asked=claim.asked, done=True)
        self._ended[key] = bare, self._clock.monotonic_s() + for_s
        if claim.answer is not None:
            self._answers[key] = claim.answer
            self._bytes += len(claim.answer)
        while self._bytes > self._most_bytes:
            self._drop_answer(next(iter(self._answers)))
        while len(self._ended) > self._most_keys:
            self._drop(next(iter(self._ended)))

    async def free(self, key: str, request_id: str) -> None:
        """See `IdempotencyStore.free`."""
        if self._has(key, request_id):
            del self._running[key]

    def forget_answers(self) -> None:
        """Forget what was answered; that it was carried out is still known."""
        self._answers.clear()
        self._bytes = 0

    def _has(self, key: str, request_id: str) -> bool:
        found = self._running.get(key)
        return found is not None and found[0].request_id == request_id

    def _forget_old(self, now_s: float) -> None:
        # Those that ended first lapse first, for all are kept for as long.
        while self._ended:
            key, (_, until_s) = next(iter(self._ended.items()))
            if until_s > now_s:
                return
            self._drop(key)

    def _drop(self, key: str) -> None:
        self._running.pop(key, None)
        self._ended.pop(key, None)
        self._drop_answer(key)

    def _drop_answer(self, key: str) -> None:
        self._bytes -= len(self._answers.pop(key, b""))
