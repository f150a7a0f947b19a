"""What the simulator would send an invoice for: its own book, in whole nano-USD.

This arithmetic is on purpose not the product's: the two are compared.

What is billed:

| what happened | billed |
|---|---|
| an answer, whole, damaged on its way or without usage | all of it |
| a stream cut or stalled, by us or by the caller | the input, and the output until then |
| a stream given up before its first token; `hang` | the input |
| an answer that is no stream, and the caller gave up | all of it |
| an error status, `error_after_preamble`, `reset` | nothing |
| listing models, counting tokens | nothing |
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from trimtab.sim.models import Model, Prices

MOST_LINES = 250_000
"""Older lines are forgotten and counted; totals never forget."""

_PER_MILLION = 1_000_000
_MINUTE_S = 60


class Usage(NamedTuple):
    """Tokens of one call. `input` are the fresh ones only; `reasoning` is a part of `output`."""

    input: int = 0
    cached: int = 0
    write_5m: int = 0
    write_1h: int = 0
    output: int = 0
    reasoning: int = 0

    @property
    def prompt(self) -> int:
        """All tokens that were read, from wherever."""
        return self.input + self.cached + self.write_5m + self.write_1h


class Line(NamedTuple):
    """One billed call; `id` is the one the answer told, `user` whom the caller asked for."""

    id: str
    account: str
    model: str
    usage: Usage
    cost_nano: int
    user: str = ""


class Costs(NamedTuple):
    """What each kind of token of a call costs, in nano-USD; together exactly the call's cost."""

    input: int = 0
    cached: int = 0
    write_5m: int = 0
    write_1h: int = 0
    output: int = 0


class Slot(NamedTuple):
    """Where a call is counted: which minute, at which desk of a provider, whose, which model."""

    minute_s: int
    desk: str
    account: str
    model: str


class Counted(NamedTuple):
    """What is counted there."""

    calls: int
    usage: Usage
    costs: Costs


def cost_nano(prices: Prices, usage: Usage) -> int:
    """Price a call, rounded once, half to even."""
    price = prices.nano
    total = (
        usage.input * price.input
        + usage.cached * price.cache_read
        + usage.write_5m * price.cache_write_5m
        + usage.write_1h * price.cache_write_1h
        + usage.output * price.output
    )
    whole, rest = divmod(total, _PER_MILLION)
    up = rest * 2 > _PER_MILLION or (rest * 2 == _PER_MILLION and whole % 2 == 1)
    return whole + up


def split(prices: Prices, usage: Usage, total: int) -> Costs:
    """Part a cost by kind of token; what rounding leaves over goes to the dearest kind."""
    price = prices.nano
    parts = [
        count * each // _PER_MILLION
        for count, each in (
            (usage.input, price.input),
            (usage.cached, price.cache_read),
            (usage.write_5m, price.cache_write_5m),
            (usage.write_1h, price.cache_write_1h),
            (usage.output, price.output),
        )
    ]
    parts[parts.index(max(parts))] += total - sum(parts)
    return Costs(*parts)


class Bill:
    """The book. State: the latest lines, and sums by account and model, and by minute."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.clear()

    def clear(self) -> None:
        """Begin an empty book."""
        self._lines: deque[Line] = deque(maxlen=MOST_LINES)
        self._sums: dict[tuple[str, str], list[int]] = {}
        self._slots: dict[Slot, list[int]] = {}

    # What, whose and where are three each.
    def add(  # noqa: PLR0913
        self,
        call_id: str,
        account: str,
        model: Model,
        usage: Usage,
        user: str = "",
        *,
        desk: str = "completions",
        dated: str = "",
    ) -> None:
        """Write one call down, at a desk and under the dated name of its model."""
        cost = cost_nano(model.prices, usage)
        self._lines.append(Line(call_id, account, model.name, usage, cost, user))
        sums = self._sums.setdefault((account, model.name), [0] * 8)
        for place, amount in enumerate((1, cost, *usage)):
            sums[place] += amount
        now_s = int(self._clock())
        slot = Slot(now_s - now_s % _MINUTE_S, desk, account, dated or model.name)
        counted = self._slots.setdefault(slot, [0] * 12)
        for place, amount in enumerate((1, *usage, *split(model.prices, usage, cost))):
            counted[place] += amount

    def slots(self) -> list[tuple[Slot, Counted]]:
        """Give everything that was ever counted, oldest first."""
        return [
            (slot, Counted(sums[0], Usage(*sums[1:7]), Costs(*sums[7:])))
            for slot, sums in sorted(self._slots.items())
        ]

    def told(self) -> dict[str, Any]:
        """Give the whole book as JSON values; lines oldest first."""
        total = [0] * 8
        accounts: dict[str, Any] = {}
        for (account, model), sums in self._sums.items():
            total = [before + more for before, more in zip(total, sums, strict=True)]
            accounts.setdefault(account, {})[model] = _told_sums(sums)
        return {
            **_told_sums(total),
            "accounts": accounts,
            "lines": [
                {
                    "id": line.id,
                    "account": line.account,
                    "model": line.model,
                    "user": line.user,
                    **_told_usage(*line.usage),
                    "cost_nano": line.cost_nano,
                }
                for line in self._lines
            ],
            "lines_forgotten": total[0] - len(self._lines),
        }


def _told_sums(sums: list[int]) -> dict[str, int]:
    calls, cost, *tokens = sums
    return {"calls": calls, "cost_nano": cost, **_told_usage(*tokens)}


def _told_usage(*tokens: int) -> dict[str, int]:
    fresh, cached, write_5m, write_1h, output, reasoning = tokens
    return {
        "input_tokens": fresh,
        "cached_tokens": cached,
        "cache_write_5m_tokens": write_5m,
        "cache_write_1h_tokens": write_1h,
        "output_tokens": output,
        "reasoning_tokens": reasoning,
    }
