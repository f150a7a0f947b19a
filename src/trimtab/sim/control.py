"""`/_sim`: what the simulator saw and billed, and what it shall do wrong."""

from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Struct

from trimtab.sim.bill import Bill
from trimtab.sim.bill_faults import KINDS, PREFIX, BillBoard
from trimtab.sim.cache import PrefixCache
from trimtab.sim.calls import Calls
from trimtab.sim.conversations import Conversations
from trimtab.sim.exchange import Exchange
from trimtab.sim.faults import NAMES, BadFault, FaultBoard
from trimtab.sim.models import MODELS
from trimtab.sim.reply import to_json
from trimtab.sim.request import Refused
from trimtab.sim.stripe import MeterEvents, read_faults


class _Rules(Struct, forbid_unknown_fields=True):
    faults: list[str]


@dataclass(frozen=True, slots=True)
class Control:
    """The routes under `/_sim`."""

    bill: Bill
    calls: Calls
    cache: PrefixCache
    board: FaultBoard
    bill_board: BillBoard
    conversations: Conversations
    meter: MeterEvents

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one call in plain JSON."""
        status = 200
        try:
            told = self._told(exchange.method, exchange.path, await exchange.body())
        except (Refused, BadFault, msgspec.DecodeError) as exc:
            status = exc.status if isinstance(exc, Refused) else 400
            told = {"error": str(exc)}
        await exchange.answer(status, [(b"content-type", b"application/json")], to_json(told))

    # One case a route.
    def _told(  # noqa: C901, PLR0911, PLR0912
        self, method: str, path: str, body: bytes
    ) -> dict[str, Any]:
        match method, path:
            case "GET", "/_sim/bill":
                return self.bill.told()
            case "GET", "/_sim/calls":
                return self.calls.told()
            case "GET", "/_sim/prices":
                return {name: model.prices.table() for name, model in MODELS.items()}
            case "GET", "/_sim/faults":
                return self._faults()
            case "PUT", "/_sim/faults":
                self._set(msgspec.json.decode(body, type=_Rules).faults)
                return self._faults()
            case "GET", "/_sim/meter":
                return self.meter.told()
            case "PUT", "/_sim/meter":
                self.meter.set(read_faults(body))
                return self.meter.told()
            case "POST", "/_sim/reset":
                return self._reset()
            case _:
                raise Refused(404, f"there is no {method} {path}")

    def _faults(self) -> dict[str, Any]:
        rules = [*self.board.rules(), *self.bill_board.rules]
        return {"faults": rules, "known": [*NAMES, *KINDS]}

    def _set(self, rules: list[str]) -> None:
        of_bill = BillBoard([it for it in rules if it.startswith(PREFIX)])
        self.board.set([it for it in rules if not it.startswith(PREFIX)])
        self.bill_board.set(of_bill.rules)

    def _reset(self) -> dict[str, Any]:
        self.bill.clear()
        self.calls.clear()
        self.cache.clear()
        self.conversations.clear()
        self.meter.clear()
        self._set([])
        return {}
