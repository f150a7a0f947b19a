"""Stage 4: one atomic hold of everything the request needs: slots, rates, later money."""

from dataclasses import dataclass

from msgspec import Raw

from trimtab.control.snapshot import Grant
from trimtab.domain.errors import ParallelLimited, RateLimited
from trimtab.pipeline.handoff import Funded, Screened
from trimtab.store.base import Held, LimitStore, Need

BYTES_PER_TOKEN = 4
LEASE_S = 3600.0


@dataclass(frozen=True, slots=True)
class Fund:
    """Hold what a request needs, all or nothing. `settle` gives back what is not used."""

    limits: LimitStore

    async def __call__(self, screened: Screened) -> Funded:
        """Place the hold.

        Raises:
            ParallelLimited: too many requests of the tenant run already.
            RateLimited: the tenant's requests or tokens per minute are used up.
        """
        admitted = screened.planned.admitted
        request = admitted.request
        messages = request.members.get("messages", Raw(b""))
        floor = -(-len(memoryview(messages)) // BYTES_PER_TOKEN)
        needs = _needs(admitted.grant, tokens=floor)
        if needs:
            held = await self.limits.hold(request.request_id, needs, lease_s=LEASE_S)
            if held.denied is not None:
                _refuse(needs[held.denied], held)
        return Funded(screened, floor, tuple(needs))

    async def settle(self, funded: Funded, *, tokens: int | None) -> None:
        """Free the slots; book the tokens that were really used, or keep the estimate."""
        if not funded.holds:
            return
        used = funded.input_floor if tokens is None else tokens
        actual = [used if _counts_tokens(need) else 1 for need in funded.holds]
        await self.limits.settle(funded.screened.planned.admitted.request.request_id, actual)


def _needs(grant: Grant, *, tokens: int) -> list[Need]:
    tenant, limits = grant.tenant.id, grant.limits
    needs: list[Need] = []
    if limits.parallel:
        needs.append(
            Need(
                name=f"parallel requests of tenant {tenant!r}",
                scope=f"slots/{tenant}",
                kind="slots",
                size=limits.parallel,
            )
        )
    if limits.requests_per_minute:
        needs.append(
            Need(
                name=f"requests per minute of tenant {tenant!r}",
                scope=f"requests/{tenant}",
                kind="bucket",
                size=limits.requests_per_minute,
            )
        )
    if limits.tokens_per_minute:
        needs.append(
            Need(
                name=f"tokens per minute of tenant {tenant!r}",
                scope=f"tokens/{tenant}",
                kind="bucket",
                size=limits.tokens_per_minute,
                amount=min(tokens, limits.tokens_per_minute),
            )
        )
    return needs


def _counts_tokens(need: Need) -> bool:
    return need.scope.startswith("tokens/")


def _refuse(need: Need, held: Held) -> None:
    if need.kind == "slots":
        raise ParallelLimited(
            f"all {need.size} {need.name} are running; wait for one to end or raise `parallel`",
            wait_s=held.wait_s,
        )
    raise RateLimited(
        f"the {need.size} {need.name} are used up; slow down or raise the limit",
        wait_s=held.wait_s,
    )
