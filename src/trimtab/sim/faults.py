"""Faults: what may go wrong on demand, how it is asked for, and whom it hits.

One call asks with a suffix of the model's name, `sim/large!cut_after:3!bad_line`, or the header
`x-sim-fault`. All calls are hit by rules: `cut_after:3 rate=0.02 model=sim/large account=KEY
window=10-20` (seconds since the rules were set).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

MOST_STATUS = 599
FEWEST_STATUS = 400


class BadFault(ValueError):
    """There is no such fault, or not with such a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What goes wrong with one call. Numbers count content events, tokens or seconds (`_s`)."""

    status: int | None = None
    retry_after: str | None = None
    storm_s: float | None = None
    reset: bool = False
    hang: bool = False
    slow_headers_s: float = 0.0
    slow_first_s: float = 0.0
    error_after_preamble: bool = False
    cut_after: int | None = None
    stall_after: int | None = None
    bad_lines: int = 0
    no_done: bool = False
    no_usage: bool = False
    usage_zero: bool = False
    usage_repeated: bool = False
    usage_after_finish_s: float = 0.0
    usage_string: bool = False
    args_in_first_delta: bool = False
    args_only_in_done: bool = False
    refusal: str | None = None
    empty: bool = False
    huge: int | None = None
    wrong_model: bool = False


NO_FAULTS = Faults()


def _count(text: str) -> int:
    if not re.fullmatch(r"\d{1,7}", text):
        raise ValueError
    return int(text)


def _seconds(text: str) -> float:
    if not re.fullmatch(r"\d{1,5}(\.\d+)?", text):
        raise ValueError
    return float(text)


def _status(text: str) -> int:
    status = _count(text)
    if not FEWEST_STATUS <= status <= MOST_STATUS:
        raise ValueError
    return status


def _header(text: str) -> str:
    if not text.isprintable() or not text.isascii():
        raise ValueError
    return text


def _finish(text: str) -> str:
    if text not in {"content_filter", "stop"}:
        raise ValueError
    return text


@dataclass(frozen=True, slots=True)
class _Kind:
    """Where a fault goes in `Faults`, how its value is read, and the value it has unsaid."""

    field: str
    read: Callable[[str], object] | None = None
    default: object = None
    form: str = ""


_KINDS: Mapping[str, _Kind] = {
    "status": _Kind("status", _status, form="a status from 400 to 599"),
    "401": _Kind("status", default=401),
    "retry_after": _Kind("retry_after", _header, form="a header value"),
    "429_storm": _Kind("storm_s", _seconds, 10.0, "seconds"),
    "reset": _Kind("reset", default=True),
    "hang": _Kind("hang", default=True),
    "slow_headers": _Kind("slow_headers_s", _seconds, 5.0, "seconds"),
    "slow_first": _Kind("slow_first_s", _seconds, 5.0, "seconds"),
    "error_after_preamble": _Kind("error_after_preamble", default=True),
    "cut_after": _Kind("cut_after", _count, form="a number of content events"),
    "stall_after": _Kind("stall_after", _count, form="a number of content events"),
    "bad_line": _Kind("bad_lines", _count, 1, "a number of lines"),
    "no_done": _Kind("no_done", default=True),
    "no_usage": _Kind("no_usage", default=True),
    "usage_zero": _Kind("usage_zero", default=True),
    "usage_repeated": _Kind("usage_repeated", default=True),
    "usage_after_finish": _Kind("usage_after_finish_s", _seconds, 0.2, "seconds"),
    "usage_string": _Kind("usage_string", default=True),
    "args_in_first_delta": _Kind("args_in_first_delta", default=True),
    "args_only_in_done": _Kind("args_only_in_done", default=True),
    "refusal": _Kind("refusal", _finish, "content_filter", "content_filter or stop"),
    "empty": _Kind("empty", default=True),
    "huge": _Kind("huge", _count, 100_000, "a number of tokens"),
    "wrong_model": _Kind("wrong_model", default=True),
}

NAMES = tuple(_KINDS)


def read_faults(text: str, before: Faults = NO_FAULTS) -> Faults:
    """Read faults joined with `!` and add them to others.

    Raises:
        BadFault: one is not known, or its value is none.
    """
    found: dict[str, Any] = {}
    for part in filter(None, text.split("!")):
        name, colon, value = part.partition(":")
        kind = _KINDS.get(name)
        if kind is None:
            raise BadFault(f"there is no fault '{name}'; choose from {', '.join(NAMES)}")
        found[kind.field] = _value(name, kind, value if colon else None)
    return replace(before, **found) if found else before


def _value(name: str, kind: _Kind, value: str | None) -> object:
    if value is None and kind.default is not None:
        return kind.default
    if value is None:
        raise BadFault(f"fault '{name}' needs a value; write {name}: and {kind.form}")
    if kind.read is None:
        raise BadFault(f"fault '{name}' takes no value; write it without '{value}'")
    try:
        return kind.read(value)
    except ValueError:
        raise BadFault(f"'{name}' cannot be '{value}'; give {kind.form}") from None


@dataclass(frozen=True, slots=True)
class Rule:
    """Faults that hit a share of all calls, or of those of one model or account."""

    text: str
    faults: str
    rate: float = 1.0
    model: str | None = None
    account: str | None = None
    start_s: float = 0.0
    end_s: float = float("inf")

    def may_hit(self, account: str, model: str, age_s: float) -> bool:
        """Tell whether a call is one that the rule is for; the rate decides later."""
        return (
            self.model in (None, model)
            and self.account in (None, account)
            and self.start_s <= age_s < self.end_s
        )


def read_rule(text: str) -> Rule:
    """Read a rule.

    Raises:
        BadFault: it is none.
    """
    words = text.split()
    if not words:
        raise BadFault("a rule without a fault; write one as 'cut_after:3 rate=0.02'")
    read_faults(words[0])
    rule = Rule(text, words[0])
    for word in words[1:]:
        name, _, value = word.partition("=")
        try:
            rule = replace(rule, **_OPTIONS[name](value))
        except (KeyError, ValueError):
            raise BadFault(
                f"'{word}' cannot be read; write rate=0.02, model=NAME, account=KEY or window=10-20"
            ) from None
    return rule


def _rate(text: str) -> dict[str, Any]:
    rate = float(text)
    if not 0 <= rate <= 1:
        raise ValueError
    return {"rate": rate}


def _model(text: str) -> dict[str, Any]:
    return {"model": text if text.startswith("sim/") else f"sim/{text}"}


def _account(text: str) -> dict[str, Any]:
    return {"account": text}


def _window(text: str) -> dict[str, Any]:
    start, _, end = text.partition("-")
    return {"start_s": _seconds(start), "end_s": _seconds(end)}


_OPTIONS: Mapping[str, Callable[[str], dict[str, Any]]] = {
    "rate": _rate,
    "model": _model,
    "account": _account,
    "window": _window,
}


class FaultBoard:
    """Decides what goes wrong with which call. State: rules, the dice, storms that blow."""

    def __init__(self, rules: Sequence[str], seed: int, clock: Callable[[], float]) -> None:
        self._seed = seed
        self._clock = clock
        self._storms: dict[str, float] = {}
        self.set(rules)

    def set(self, rules: Sequence[str]) -> None:
        """Replace all rules; storms end, the dice start again.

        Raises:
            BadFault: one rule cannot be read; the old ones stay.
        """
        self._rules = tuple(read_rule(text) for text in rules)
        self._dice = Random(self._seed)  # noqa: S311  # repeatable on purpose
        self._storms.clear()
        self._since_s = self._clock()

    def rules(self) -> list[str]:
        """Give the rules as they were written."""
        return [rule.text for rule in self._rules]

    def choose(self, account: str, model: str, own: str) -> Faults:
        """Decide about one call, which asked for faults of its `own`.

        Raises:
            BadFault: what it asked for cannot be read.
        """
        if not own and not self._rules and not self._storms:
            return NO_FAULTS
        faults = NO_FAULTS
        for rule in self._rules:
            if rule.may_hit(account, model, self._clock() - self._since_s) and (
                rule.rate >= 1 or self._dice.random() < rule.rate
            ):
                faults = read_faults(rule.faults, faults)
        return self._weathered(model, read_faults(own, faults))

    def _weathered(self, model: str, faults: Faults) -> Faults:
        """Refuse every call to a model while a storm blows there; a new one may begin."""
        now_s = self._clock()
        if now_s < self._storms.get(model, now_s):
            return replace(faults, status=429)
        self._storms.pop(model, None)
        if faults.storm_s is None:
            return faults
        self._storms[model] = now_s + faults.storm_s
        return replace(faults, status=429)
