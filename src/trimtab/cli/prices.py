"""`trimtab prices`: what a model costs, and whether all prices are in order."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from trimtab import wiring
from trimtab.cli.options import common_options
from trimtab.cli.output import instant, print_json, print_table
from trimtab.cli.prices_update import diff, reprice, update
from trimtab.control.snapshot import Snapshot
from trimtab.cost.check import Finding, check_lock, check_overrides
from trimtab.cost.overrides import Context, parse_overrides
from trimtab.cost.prices import PriceList
from trimtab.cost.rates import END_OF_TIME_US, PriceRow, Rates, instant_us
from trimtab.domain.errors import NotFound, SettingsInvalid
from trimtab.domain.ids import TenantId
from trimtab.domain.model import Target, read_target
from trimtab.domain.money import usd_text
from trimtab.wiring.pricing import Lists, lists_in_force, sets_ever

FAULTY = 1
_PER_UNIT = 1_000_000
_COLUMNS = (
    *("input", "cache_read", "cache_write_5m", "cache_write_30m", "cache_write_1h"),
    *("cache_write_12h", "output"),
)
_AUDIO = ("input_audio", "cache_read_audio", "output_audio")


@click.group()
def command() -> None:
    """Show, check, change and correct prices."""


@command.command()
@click.argument("model")
@click.option("--at", metavar="DATE", help="As of this day or instant, UTC; now by default.")
@click.option("--tenant", help="As this tenant pays, with the prices of its own contract.")
@click.option("--set", "version", metavar="VERSION", help="By a price set of before, as `ps_...`.")
@common_options
def show(
    model: str,
    at: str | None,
    tenant: str | None,
    version: str | None,
    home: Path,
    *,
    as_json: bool,
) -> None:
    """Show what a model costs: its row, tiers, kinds of service, and what was laid over them.

    MODEL is a name that apps use, or provider/model. Prices are in USD per million tokens.

    Example: trimtab prices show chat --at 2026-12-01
    """
    at_us, control = _instant(at), wiring.control(home)
    snapshot = asyncio.run(control.snapshot())
    lists = lists_in_force(snapshot)
    prices = lists.prices if tenant is None else lists.of(tenant)
    if version is not None:
        found = asyncio.run(sets_ever(home, control))(version)
        if found is None:
            raise NotFound(f"price set {version!r} was never used here; see it in `trimtab trace`")
        prices = found
    shown = [_Shown(snapshot, prices, target, at_us) for target in _targets(snapshot, model)]
    others = () if tenant or version else sorted(lists.contracts.items())
    if as_json:
        print_json({"prices": [it.document() for it in shown]})
        return
    for it in shown:
        it.print()
        for name, own in others:
            row = _Shown(snapshot, own, it.target, at_us).row
            if row is not None and it.row is not None and row.tiers != it.row.tiers:
                click.echo(f"tenant {name} pays by its contract; add --tenant {name}")


@command.command()
@common_options
def check(home: Path, *, as_json: bool) -> None:
    """Check the list and all overrides, and that what is configured has a price. Exits 1 if not.

    Example: trimtab prices check
    """
    snapshot = asyncio.run(wiring.control(home).snapshot())
    lists = lists_in_force(snapshot)
    found = [*_findings(snapshot, lists)]
    is_faulty = any(it.is_fault for it in found)
    if as_json:
        print_json(
            {
                "price_version": lists.prices.version,
                "findings": [{"fault": it.is_fault, "text": it.text} for it in found],
            }
        )
    else:
        for it in found:
            click.echo(f"{'FAULT' if it.is_fault else 'note '}  {it.text}")
        rows = f"{len(lists.lock.rows):,} rows of {lists.lock.source}"
        click.echo(f"{lists.prices.version}  {rows}, {len(lists.prices.overrides)} overrides")
    raise SystemExit(FAULTY if is_faulty else 0)


for _command in (diff, update, reprice):
    command.add_command(_command)


class _Shown:
    """One target's price at an instant."""

    def __init__(self, snapshot: Snapshot, prices: PriceList, target: Target, at_us: int) -> None:
        provider = snapshot.providers.get(target.provider)
        self.target, self.at_us, self.prices = target, at_us, prices
        self.priced_as = provider.priced_as if provider else target.provider
        self.row = self._find(())

    def _find(self, context: Context) -> PriceRow | None:
        return self.prices.find(
            self.priced_as, self.target.model, at_us=self.at_us, context=context
        )

    @property
    def contexts(self) -> dict[str, PriceRow]:
        """Other kinds of service with a price."""
        rows = self.prices.rows(self.priced_as, self.target.model)
        known = {tuple(sorted(row.context.items())) for row in rows if row.context}
        known |= {it.context for it in self.prices.overrides if it.context}
        found = {it: self._find(it) for it in sorted(known)}
        return {_said(it): row for it, row in found.items() if row is not None}

    def print(self) -> None:
        """Print it for people."""
        name = f"{self.priced_as}/{self.target.model}"
        if self.row is None:
            click.echo(f"{name}  no price at {instant(self.at_us)}; add it to prices.overrides")
            return
        click.echo(f"{name}  row {self.row.id}  {_span(self.row)}  {self.row.price_version}")
        rows = [
            [service, f"{tier.above:,}", *_cells(tier)]
            for service, row in (("ordinary", self.row), *self.contexts.items())
            for tier in reversed(row.tiers)
        ]
        print_table(["service", "above tokens", *_COLUMNS], rows)
        for unit, price in _extras(self.row.rates(0)):
            click.echo(f"{unit}: {price}")

    def document(self) -> dict[str, object]:
        """Give it to programs."""
        services = {"ordinary": self.row, **self.contexts}
        return {
            "target": str(self.target),
            "priced_as": f"{self.priced_as}/{self.target.model}",
            "price_version": self.prices.version,
            "services": {it: _row_document(row) for it, row in services.items() if row},
        }


def _targets(snapshot: Snapshot, name: str) -> Sequence[Target]:
    model = snapshot.models.get(name)
    if model is not None:
        return model.targets
    target = read_target(name)
    if target is None:
        raise NotFound(f"there is no model {name!r}; name one of the file, or provider/model")
    return (target,)


def _findings(snapshot: Snapshot, lists: Lists) -> Iterator[Finding]:
    yield from check_lock(lists.lock)
    yield from check_overrides(lists.prices.overrides, "override")
    for tenant in sorted(lists.contracts):
        own = parse_overrides(snapshot.tenants[TenantId(tenant)].prices)
        yield from check_overrides(own, f"override of tenant '{tenant}'")
    now_us = wiring.now_us()
    targets = {(it, model.name) for model in snapshot.models.values() for it in model.targets}
    for target, name in sorted(targets, key=str):
        provider = snapshot.providers.get(target.provider)
        if provider and lists.prices.list_price(provider, target, now_us) is None:
            text = f"model '{name}' leads to '{target}', which has no price; add an override"
            yield Finding(is_fault=True, text=text)


def _instant(text: str | None) -> int:
    if text is None:
        return wiring.now_us()
    try:
        return instant_us(text)
    except ValueError as exc:
        raise SettingsInvalid(f"{text!r} is no date; write it as 2026-12-01") from exc


def _span(row: PriceRow) -> str:
    start = instant(row.start_us)[:10] if row.start_us else "always"
    return start if row.end_us == END_OF_TIME_US else f"{start} to {instant(row.end_us)[:10]}"


def _said(context: Context) -> str:
    return " ".join(f"{name}={value}" for name, value in context)


def _cells(tier: Rates) -> list[str]:
    return [_usd(getattr(tier, name)) for name in _COLUMNS]


def _usd(nano: int | None) -> str:
    return "-" if nano is None else usd_text(nano)


def _extras(tier: Rates) -> Iterator[tuple[str, str]]:
    """Name the prices that differ from those of text, and those by the piece."""
    plain = {"input_audio": tier.input, "cache_read_audio": tier.cache_read}
    for name in _AUDIO:
        if getattr(tier, name) != plain.get(name, tier.output):
            yield name, _usd(getattr(tier, name))
    if tier.web_search is not None:
        yield "web_search, each", usd_text(tier.web_search // _PER_UNIT)
    if tier.request:
        yield "request, each", usd_text(tier.request // _PER_UNIT)


def _row_document(row: PriceRow) -> dict[str, object]:
    return {
        "row": row.id,
        "from": instant(row.start_us) if row.start_us else None,
        "to": None if row.end_us == END_OF_TIME_US else instant(row.end_us),
        "tiers": [
            {
                "above_input_tokens": tier.above,
                "usd_per_mtok": dict(zip(_COLUMNS, _cells(tier), strict=True)),
                "other_usd": dict(_extras(tier)),
            }
            for tier in reversed(row.tiers)
        ],
    }
