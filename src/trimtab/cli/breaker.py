"""`trimtab models breaker`: the circuit breaker of a target, by hand."""

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path

import click

from trimtab import wiring
from trimtab.cli.options import common_options, reason_option, span_option
from trimtab.cli.output import author, instant, print_change
from trimtab.cli.switch import until_us
from trimtab.control.breakers import Breakers
from trimtab.control.models import By
from trimtab.domain.change import Source
from trimtab.domain.health import BreakerOrder


@click.group()
def breaker() -> None:
    """Hold the circuit breaker of a target open, or close it."""


@breaker.command(name="open")
@click.argument("target")
@reason_option
@span_option
@common_options
def open_(target: str, reason: str, span_s: float | None, home: Path, *, as_json: bool) -> None:
    """Leave a target alone, as provider/model, while there is another to ask.

    A breaker refuses nobody: where no other target is left, this one is asked all the same, once.
    To refuse, there is `trimtab models suspend`.

    Example: trimtab models breaker open sim/large --reason "slow, their status page says" --for 30m
    """
    breakers, by = Breakers(wiring.control(home)), By(author(), Source.CLI, reason)
    end_us = until_us(span_s)
    change = asyncio.run(breakers.hold_open(target, by, at_us=wiring.now_us(), until_us=end_us))
    end = "" if end_us is None else f" until {instant(end_us)}"
    print_change(f"breaker of {target} is held open{end}", change, as_json=as_json)


@breaker.command()
@click.argument("target")
@reason_option
@common_options
def close(target: str, reason: str, home: Path, *, as_json: bool) -> None:
    """Ask a target again at once: workers forget its failures, and nobody holds it open.

    Example: trimtab models breaker close sim/large --reason "their outage is over"
    """
    breakers, by = Breakers(wiring.control(home)), By(author(), Source.CLI, reason)
    change = asyncio.run(breakers.close(target, by, at_us=wiring.now_us()))
    print_change(f"breaker of {target} is closed", change, as_json=as_json)


def held(
    orders: Mapping[str, BreakerOrder], targets: Iterable[object], at_us: int
) -> dict[str, BreakerOrder]:
    """Find which of some targets somebody holds open."""
    found = {str(it): orders.get(str(it)) for it in targets}
    return {name: it for name, it in found.items() if it is not None and it.holds(at_us)}


def said(order: BreakerOrder) -> str:
    """Say in a few words that a breaker is held open, until when and why."""
    end = "" if order.until_us is None else f" until {instant(order.until_us)}"
    return f"held open{end}: {order.reason}"
