"""Circuit breakers by hand: each decision about one is a change, with a reason and an undo."""

from dataclasses import dataclass

from trimtab.control.changes import Control
from trimtab.control.keyring import expect
from trimtab.control.models import By
from trimtab.domain.change import Change, Pointer, PointerKind
from trimtab.domain.clock import END_OF_TIME_US
from trimtab.domain.errors import ChangeConflict, InvalidRequest
from trimtab.domain.health import BreakerOrder
from trimtab.domain.model import read_target


@dataclass(frozen=True, slots=True)
class Breakers:
    """Decides about breakers. What workers count goes on below it."""

    control: Control

    async def hold_open(
        self, target: str, by: By, *, at_us: int, until_us: int | None = None
    ) -> Change:
        """Have workers leave a target alone while there is another to ask.

        Raises:
            NotFound: its provider is not there.
            InvalidRequest: it is no target, or the hold would be over already.
        """
        if until_us is not None and not at_us < until_us < END_OF_TIME_US:
            raise InvalidRequest(
                "the breaker would be closed again already, or after the year 9999; choose another"
                " end, in microseconds since 1970"
            )
        order = BreakerOrder(is_open=True, reason=by.reason, since_us=at_us, until_us=until_us)
        return await self._put(target, order, by)

    async def close(self, target: str, by: By, *, at_us: int) -> Change:
        """Have workers forget what they hold against a target, and end a hold by hand.

        Raises:
            NotFound: its provider is not there. InvalidRequest: it is no target.
        """
        return await self._put(
            target, BreakerOrder(is_open=False, reason=by.reason, since_us=at_us), by
        )

    async def _put(self, name: str, order: BreakerOrder, by: By) -> Change:
        target = read_target(name.partition("!")[0])
        if target is None:
            raise InvalidRequest(
                f"{name[:128]!r} is no target; write provider/model", param="target"
            )
        expect("provider", target.provider, (await self.control.snapshot()).providers)
        change = await self.control.move(
            Pointer(PointerKind.BREAKER, str(target)),
            order,
            reason=by.reason,
            author=by.author,
            source=by.source,
        )
        if change is None:
            raise ChangeConflict(f"the same was decided about '{target}' at this very instant")
        return change
