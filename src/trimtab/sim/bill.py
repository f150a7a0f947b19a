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

from collections import deque
from typing import Any, NamedTuple

from trimtab.sim.models import Model, Prices

MOST_LINES = 250_000
"""Older lines are forgotten and counted; totals never forget."""

_PER_MILLION = 1_000_000


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


class Bill:
    """The book. State: the latest lines, and sums by account and model."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin an empty book."""
        self._lines: deque[Line] = deque(maxlen=MOST_LINES)
        self._sums: dict[tuple[str, str], list[int]] = {}

    def add(self, call_id: str, account: str, model: Model, usage: Usage, user: str = "") -> None:
        """Write one call down."""
        cost = cost_nano(model.prices, usage)
        self._lines.append(Line(call_id, account, model.name, usage, cost, user))
        sums = self._sums.setdefault((account, model.name), [0] * 8)
        for place, amount in enumerate((1, cost, *usage)):
            sums[place] += amount

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
