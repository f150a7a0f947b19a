"""A simulator's book with three days of calls, and what is told of it."""

from trimtab.sim.bill import Bill, Usage
from trimtab.sim.bill_faults import BillBoard
from trimtab.sim.models import EMBED, LARGE, SMALL
from trimtab.sim.statements import DAY_S, Statements

MIDNIGHT_S = 1_795_305_600
"""2026-11-22, 00:00 UTC."""


class Time:
    """A clock that is moved by hand."""

    def __init__(self, now_s: float = MIDNIGHT_S) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


def statements(*rules: str) -> tuple[Statements, Time]:
    """Three days, each with calls at noon: two of OpenAI's, an embedding, two of Anthropic's."""
    time = Time()
    bill = Bill(time)
    for day in range(3):
        time.now_s = MIDNIGHT_S + day * DAY_S + DAY_S // 2
        for account in ("apps:one", "two"):
            for desk in ("completions", "messages"):
                usage = Usage(input=1_000, cached=400, write_5m=7, output=200 + day)
                bill.add("a", account, LARGE, usage, desk=desk, dated="sim/large-2026-01-15")
        bill.add("b", "two", EMBED, Usage(input=50), desk="embeddings", dated="sim/embed-x")
        bill.add(
            "c", "two", SMALL, Usage(write_5m=1), desk="messages", dated="sim/small-2026-01-15"
        )
    time.now_s = MIDNIGHT_S + 3 * DAY_S
    return Statements(bill, BillBoard(rules), time), time
