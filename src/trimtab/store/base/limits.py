"""What slots, rates and budgets are counted in."""

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple, Protocol

from msgspec import Struct

from trimtab.domain.record import Origin
from trimtab.domain.tenant import RESERVED_PREFIX, WhenAway


class Unit(StrEnum):
    """What a limit counts."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    NANO = "nano"
    MICRO = "micro"


class Need(Struct, frozen=True, kw_only=True):
    """What a request asks of one limit.

    Attributes:
        name: Names the limit in a refusal, for example `tenant acme requests per minute`.
        scope: Identity of its counter; a change of size keeps the counter.
        kind: `slots`, `bucket`, or `window`: a counter of one span of a calendar, never refilled.
        size: Slots there are, units a full bucket holds, or units that may be spent in the window.
        per_s: Seconds in which an empty bucket refills; others ignore it.
        amount: Units asked for.
        ends_us: First instant after the window.
        enforced: Whether it may refuse; if not, it only counts.
        unit: What is counted; money in nano- or micro-USD.
    """

    name: str
    scope: str
    kind: str
    size: int
    per_s: float = 60.0
    amount: int = 1
    ends_us: int = 0
    enforced: bool = True
    unit: Unit = Unit.REQUESTS


class Spending(Struct, frozen=True, kw_only=True):
    """Lines of the ledger that one budget counts; `None` is all of a kind."""

    tenant_id: str | None = None
    feature: str | None = None
    user_hash: str | None = None
    key_id: str | None = None
    since_us: int = 0
    until_us: int = 0

    @property
    def origin(self) -> Origin | None:
        """Which origin counts; `None` is any: no tenant's own budget pays for what is tried out."""
        of_customer = self.tenant_id is not None and not self.tenant_id.startswith(RESERVED_PREFIX)
        return Origin.LIVE if of_customer else None


class Asker(Struct, frozen=True, kw_only=True):
    """Who holds, for stores that several workers share.

    Attributes:
        config_seq: The configuration that the request runs under.
        scopes: What kill switches may know it by.
        when_away: What becomes of it while the store is away; `None` leaves that to the store.
    """

    config_seq: int = 0
    scopes: tuple[str, ...] = ()
    when_away: WhenAway | None = None


NOBODY = Asker()
NOTHING: Mapping[str, int] = MappingProxyType({})


class Already(NamedTuple):
    """What counts against a budget as the records of a host have it.

    Attributes:
        spent: What its lines cost, in nano-USD.
        held: What requests hold that are under way, by request id.
        unpriced: Lines whose cost nobody knows; they count as 0, where a store booked an estimate.
    """

    spent: int
    held: Mapping[str, int] = NOTHING
    unpriced: int = 0


class Held(Struct, frozen=True, kw_only=True):
    """The answer to a hold.

    Attributes:
        denied: Index of the first need that was refused; `None` if all were granted.
        wait_s: Seconds until that need could pass; `None` if it depends on other requests.
        left: What remains of each need, in the order asked; empty when refused.
        stopped: Index of the scope that a newer configuration than the asker's stops.
        is_degraded: Whether this worker decided alone, for the shared store is away.
        unknown: Index of a window of which nobody has said yet what was spent in it before.
        fits_later: Whether the window that refused has room once what runs is settled.
        room: What is left of the window that refused.
    """

    denied: int | None = None
    wait_s: float | None = None
    left: tuple[int, ...] = ()
    stopped: int | None = None
    is_degraded: bool = False
    unknown: int | None = None
    fits_later: bool = False
    room: int | None = None


class LimitStore(Protocol):
    """Rates, slots and budgets. One call decides all needs of a request, all or nothing."""

    async def hold(
        self, request_id: str, needs: Sequence[Need], *, lease_s: float, asker: Asker = NOBODY
    ) -> Held:
        """Take what every need asks, or nothing. Asking twice for a request answers the same.

        Raises:
            LimitsUnavailable: the store is away, and the asker may not go on without.
        """
        ...

    async def settle(self, request_id: str, actual: Sequence[int]) -> None:
        """Free the slots and correct each bucket to what was really used, once."""
        ...

    async def prime(self, need: Need, spent: int, held: Mapping[str, int] = NOTHING) -> None:
        """Say what was spent in a window before, as the ledger of this host has it; once.

        With it goes what requests hold that the records say are under way, by their ids.
        """
        ...

    async def renew(self, *, lease_s: float) -> None:
        """Begin anew the leases of what this process holds; those of a dead one run out."""
        ...


class Counter(Struct, frozen=True, kw_only=True):
    """A window that workers share, as it stands.

    Attributes:
        spent: What counts against the budget, of all hosts, and of whom nobody knows the end of.
        held: What running requests hold of it.
        booked: What of `spent` was booked of this host; its ledger says the same.
        astray: By how much `spent` and `held` are more than the sum of their parts.
        requests: Requests of this host that hold something, and whether their lease still runs.
    """

    spent: int
    held: int
    booked: int
    astray: tuple[int, int] = (0, 0)
    requests: Mapping[str, bool] = MappingProxyType({})


class CounterStore(Protocol):
    """Windows that workers share, for who compares them with the ledger of a host."""

    async def look(self, need: Need) -> Counter | None:
        """Read a window; `None` if the ledger of this host was not counted in."""
        ...

    async def mend(self, need: Need, more: int, ended: Collection[str] = ()) -> bool:
        """Book so much more of this host, and let go of what ended requests hold; all or nothing.

        What is booked of one that ended is in `more`: its settlement, if it still comes, changes
        nothing. `False`: one of them holds nothing any more, so what was seen is not true now.
        """
        ...


class SharedLimitStore(LimitStore, Protocol):
    """Limits that several workers share through an engine, which may be away."""

    @property
    def is_up(self) -> bool:
        """Whether the engine answers."""
        ...

    def publish(self, config_seq: int, stopped: Mapping[str, int | None]) -> None:
        """Let workers with an older configuration know what is stopped, until which instant."""
        ...

    async def run(self) -> None:
        """Keep the connection until cancelled."""
        ...

    async def started(self) -> None:
        """Wait until it is known whether the engine answers."""
        ...
