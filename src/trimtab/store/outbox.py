"""What of bills is still to be passed on: the protocol, and its reference in dicts."""

from typing import Protocol

from trimtab.domain.billing import MeterEvent, Pushed


class Outbox(Protocol):
    """Meter events that wait, and how much of every bill was ever made into events.

    It lies with the ledger: one backup has both, or an event would be made of what was billed.
    """

    async def pushed(self) -> tuple[Pushed, ...]:
        """List the months that are passed on, by tenant and month."""
        ...

    async def begin(self, tenant_id: str, month: str) -> None:
        """Pass on bills of a tenant from a month on; nothing happens if that was begun before."""
        ...

    async def put(self, event: MeterEvent, *, pushed_cents: int) -> bool:
        """Keep an event and count it to its month, in one step.

        Nothing happens, and `False` is given, unless of that month just as much was pushed as the
        caller knows of.
        """
        ...

    async def events(self) -> tuple[MeterEvent, ...]:
        """List the events that are not known to have arrived, the oldest first."""
        ...

    async def hold(self, event: MeterEvent) -> None:
        """Say where an event stands; nothing happens if it is gone."""
        ...

    async def taken(self, event_id: str) -> bool:
        """Let go of what has arrived; gives whether it was there."""
        ...


class MemoryOutbox:
    """`Outbox` in dicts."""

    def __init__(self) -> None:
        self._cents: dict[tuple[str, str], int] = {}
        self._events: dict[str, MeterEvent] = {}

    async def pushed(self) -> tuple[Pushed, ...]:
        """See `Outbox.pushed`."""
        return tuple(
            Pushed(tenant_id=tenant_id, month=month, cents=cents)
            for (tenant_id, month), cents in sorted(self._cents.items())
        )

    async def begin(self, tenant_id: str, month: str) -> None:
        """See `Outbox.begin`."""
        if all(known != tenant_id for known, _ in self._cents):
            self._cents[tenant_id, month] = 0

    async def put(self, event: MeterEvent, *, pushed_cents: int) -> bool:
        """See `Outbox.put`."""
        place = event.tenant_id, event.month
        if self._cents.get(place, 0) != pushed_cents or event.id in self._events:
            return False
        self._cents[place] = pushed_cents + event.cents
        self._events[event.id] = event
        return True

    async def events(self) -> tuple[MeterEvent, ...]:
        """See `Outbox.events`."""
        return tuple(sorted(self._events.values(), key=lambda it: (it.made_us, it.id)))

    async def hold(self, event: MeterEvent) -> None:
        """See `Outbox.hold`."""
        if event.id in self._events:
            self._events[event.id] = event

    async def taken(self, event_id: str) -> bool:
        """See `Outbox.taken`."""
        return self._events.pop(event_id, None) is not None
