"""`trimtab prices diff`, `update` and `reprice`: what other prices change, and making them live."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import click
import msgspec

from trimtab import wiring
from trimtab.cli.options import FILE, common_options, reason_option
from trimtab.cli.output import author, change_document, print_done, print_json, print_table
from trimtab.control.changes import Control
from trimtab.control.snapshot import PRICE_LIST, Snapshot
from trimtab.cost.applied import differing, lay_over
from trimtab.cost.compare import Effect, Moved, RowDifference, differences, latest_start_us
from trimtab.cost.lock import Lock, faults, shipped_lock
from trimtab.cost.prices import PriceList
from trimtab.cost.rates import instant_us
from trimtab.cost.reprice import Proposal, Repricing
from trimtab.domain.change import Change, Pointer, PointerKind, Source, read_reason
from trimtab.domain.errors import InvalidRequest, SettingsInvalid
from trimtab.domain.money import usd_text
from trimtab.domain.record import Correction
from trimtab.wiring.pricing import (
    Priced,
    installed_lock,
    lists_in_force,
    pages,
    price_lists,
    priced,
    read_lock,
    sets_ever,
)

DIFFERS = 1
LOOKED_BACK = timedelta(days=28)
LARGEST = 5
POINTER = Pointer(PointerKind.PRICES, PRICE_LIST)

_lock_option = click.option(
    "--lock",
    "file",
    type=FILE,
    help="A price list in a file; that of the installed genai-prices by default.",
)
_shipped_option = click.option(
    "--shipped", is_flag=True, help="The list that came with this version of Trimtab."
)


@click.command()
@_lock_option
@_shipped_option
@common_options
def diff(file: Path | None, home: Path, *, shipped: bool, as_json: bool) -> None:
    """Show what another price list would change, and what traffic would have cost by it.

    The traffic of the last 28 days is priced anew, line by line. Exits 1 if anything differs.

    Example: trimtab prices diff --lock prices.lock.json
    """
    comparison = asyncio.run(_compare(home, _other(file, shipped=shipped)))
    _print(comparison, as_json=as_json)
    raise SystemExit(DIFFERS if comparison.found else 0)


@click.command()
@_lock_option
@_shipped_option
@reason_option
@common_options
def update(file: Path | None, reason: str, home: Path, *, shipped: bool, as_json: bool) -> None:
    """Price by another list from now on; workers follow a moment later.

    What is in the ledger stays as it is: see `trimtab prices reprice`.

    Example: trimtab prices update --reason "genai-prices 0.2.4"
    """
    other = _other(file, shipped=shipped)
    comparison = asyncio.run(_compare(home, other))
    change = asyncio.run(_apply(wiring.control(home), other, read_reason(reason)))
    _print(comparison, as_json=as_json, change=change)


@click.command()
@click.option("--from", "since", required=True, metavar="DATE", help="First day, UTC.")
@click.option("--apply", "is_applied", is_flag=True, help="Write the lines.")
@click.option("--reason", help="Why, for the change log; needed with --apply.")
@common_options
def reprice(since: str, reason: str | None, home: Path, *, is_applied: bool, as_json: bool) -> None:
    """Find what was booked by prices that were wrong for their day; --apply sets it right.

    Nothing is rewritten: each line gets a signed `adjustment` beside it, of its own day.

    Example: trimtab prices reprice --from 2026-11-01
    """
    try:
        since_us = instant_us(since)
    except ValueError as exc:
        raise SettingsInvalid(f"{since!r} is no date; write it as 2026-11-01") from exc
    if is_applied and not reason:
        raise InvalidRequest("--apply needs a --reason; say why in a few words", param="reason")
    looked = asyncio.run(_look(home, since_us))
    added = None
    if is_applied and reason:
        added = asyncio.run(_adjust(home, looked.found, read_reason(reason)))
    _print_repricing(looked, added, as_json=as_json)


class _Comparison(msgspec.Struct, frozen=True):
    """Two lists and what lies between them."""

    before: PriceList
    after: PriceList
    source: str
    found: tuple[RowDifference, ...]
    used: Mapping[str, tuple[str, ...]]
    effect: Effect


def _other(file: Path | None, *, shipped: bool) -> Lock:
    if shipped:
        return shipped_lock()
    lock = installed_lock() if file is None else read_lock(file)
    wrong = faults(lock)
    if wrong:
        raise SettingsInvalid("\n".join([*wrong, "the list cannot be used; mend it first"]))
    return lock


async def _compare(home: Path, other: Lock) -> _Comparison:
    snapshot = await wiring.control(home).snapshot()
    said, now = priced(snapshot), wiring.now()
    before = lists_in_force(snapshot)
    applied = msgspec.to_builtins(differing(shipped_lock(), other))
    after = price_lists(shipped_lock(), Priced(applied, said.overrides, said.contracts))
    found = differences(before.lock, after.lock)
    effect = Effect(
        before.of, after.of, _names(snapshot), latest_start_us(found, round(now.timestamp() * 1e6))
    )
    reading = wiring.records(home)
    if found and reading.exists:
        since_us = round((now - LOOKED_BACK).timestamp() * 1e6)
        async for lines in pages(reading, since_us=since_us):
            for line in lines:
                effect.add(line)
    used = _users(snapshot, (before.prices, after.prices), effect)
    return _Comparison(before.prices, after.prices, other.source, found, used, effect)


def _names(snapshot: Snapshot) -> Callable[[str], str | None]:
    return {name: it.priced_as for name, it in snapshot.providers.items()}.get


def _users(
    snapshot: Snapshot, lists: tuple[PriceList, PriceList], effect: Effect
) -> Mapping[str, tuple[str, ...]]:
    """Name who is priced by each row: models of the configuration, and what was called."""
    users: dict[str, set[str]] = {}

    def add(provider: str, model: str, user: str) -> None:
        for prices in lists:
            for row in prices.rows(provider, model):
                users.setdefault(row.id, set()).add(user)

    for model in snapshot.models.values():
        for target in model.targets:
            provider = snapshot.providers.get(target.provider)
            if provider is not None:
                add(provider.priced_as, target.model, model.name)
    for provider, model in effect.used:
        add(provider, model, f"{provider}/{model}")
    return {row: tuple(sorted(found)) for row, found in users.items()}


async def _apply(control: Control, other: Lock, reason: str) -> Change | None:
    shipped = shipped_lock()
    applied = differing(shipped, other)
    value = msgspec.to_builtins(applied) if applied.models else None
    if value is not None:
        lay_over(shipped, value)
    return await control.move(POINTER, value, reason=reason, author=author(), source=Source.CLI)


async def _look(home: Path, since_us: int) -> Repricing:
    control = wiring.control(home)
    snapshot = await control.snapshot()
    looked = Repricing(
        lists_in_force(snapshot).of, await sets_ever(home, control), _names(snapshot)
    )
    async for lines in pages(wiring.records(home), since_us=since_us):
        looked.look(lines)
    return looked


async def _adjust(home: Path, found: Sequence[Proposal], reason: str) -> int:
    """Write down why, then the lines; asked again after a crash in between, it goes on."""
    if not found:
        return 0
    control = wiring.control(home)
    lines = sorted(f"{it.line.line_id} {it.n} {it.difference_nano}" for it in found)
    name = f"reprice:{sha256(' '.join(lines).encode()).hexdigest()[:12]}"
    pointer = Pointer(PointerKind.LEDGER, name)
    total = sum(it.difference_nano for it in found)
    value = Correction(what="prices reprice", n=len(found), difference_nano=total)
    await control.move(pointer, value, reason=reason, author=author(), source=Source.CLI)
    seq = (await control.state())[pointer].change.seq
    ledger = wiring.ledger(home)
    try:
        return await ledger.adjust([it.adjustment(seq) for it in found])
    finally:
        ledger.close()


def _print(it: _Comparison, *, as_json: bool, change: Change | None = None) -> None:
    if as_json:
        print_json({**_document(it), "change": None if change is None else change_document(change)})
        return
    kinds = [row.kind for row in it.found]
    click.echo(
        f"{it.source}: {kinds.count('changed')} rows change, {kinds.count('added')} added,"
        f" {kinds.count('removed')} removed   {it.before.version} -> {it.after.version}"
    )
    for row in sorted(it.found, key=lambda row: (row.id not in it.used, row.id)):
        for line in _row_lines(row, it.used.get(row.id, ())):
            click.echo(line)
    for line in _effect_lines(it.effect) if it.found else ():
        click.echo(line)
    if change is not None:
        print_done(f"prices by {it.source}", change)


def _row_lines(row: RowDifference, users: tuple[str, ...]) -> Iterator[str]:
    by = f"used by {', '.join(users)}" if users else "not in use"
    since = f"   from {row.start[:10]}" if row.start else ""
    yield f"  {row.id}  {row.kind}{since}   {by}"
    if row.kind == "changed" or users:
        for name, before, after in row.prices:
            yield f"      {name}  {before or '-'} -> {after or '-'}"


def _effect_lines(effect: Effect) -> Iterator[str]:
    if not effect.n:
        yield "effect on the last 28 days of traffic: none was recorded"
        return
    total = effect.total
    yield f"effect on the last 28 days of traffic: {_signed(total)} USD ({_share(total)})"
    for sums, what in ((effect.providers, "provider"), (effect.tenants, "tenant")):
        moved = [(name, it) for name, it in sums.items() if it.difference_nano]
        moved.sort(key=lambda it: -abs(it[1].difference_nano))
        for name, it in moved[:LARGEST]:
            yield f"  {what} {name}  {_signed(it)} USD ({_share(it)})"
    if effect.n_unpriced:
        yield f"  {effect.n_unpriced:,} of {effect.n:,} lines have no price in one of the lists"
    if effect.n_inexact:
        yield f"  {effect.n_inexact:,} of {effect.n:,} lines do not say all they were priced by"


def _signed(moved: Moved) -> str:
    sign = "+" if moved.difference_nano > 0 else ""
    return sign + usd_text(moved.difference_nano)


def _share(moved: Moved) -> str:
    if not moved.before_nano:
        return "from nothing"
    thousandths = round(1000 * moved.difference_nano / moved.before_nano)
    return f"{thousandths / 10:+.1f} %"


def _document(it: _Comparison) -> dict[str, object]:
    return {
        "source": it.source,
        "before": it.before.version,
        "after": it.after.version,
        "rows": [
            {**msgspec.to_builtins(row), "used_by": it.used.get(row.id, ())} for row in it.found
        ],
        "effect": {
            "lines": it.effect.n,
            "unpriced_lines": it.effect.n_unpriced,
            "inexact_lines": it.effect.n_inexact,
            "total": _moved(it.effect.total),
            "providers": {name: _moved(sums) for name, sums in it.effect.providers.items()},
            "tenants": {name: _moved(sums) for name, sums in it.effect.tenants.items()},
        },
    }


def _moved(moved: Moved) -> dict[str, object]:
    return {
        "before_nano": moved.before_nano,
        "after_nano": moved.after_nano,
        "difference_nano": moved.difference_nano,
        "difference_usd": usd_text(moved.difference_nano),
    }


def _print_repricing(looked: Repricing, added: int | None, *, as_json: bool) -> None:
    total = sum(it.difference_nano for it in looked.found)
    groups: dict[tuple[str, str, str], Moved] = {}
    for it in looked.found:
        key = (it.line.tenant_id, it.line.provider, it.line.model_sent)
        moved = Moved(it.booked_nano or 0, it.should_nano)
        groups[key] = groups.get(key, Moved()).plus(moved)
    if as_json:
        print_json(
            {
                "lines": looked.n,
                "off": len(looked.found),
                "unknown_lines": looked.n_unknown,
                "inexact_lines": looked.n_inexact,
                "difference_nano": total,
                "groups": [
                    {"tenant": key[0], "provider": key[1], "model": key[2], **_moved(moved)}
                    for key, moved in sorted(groups.items())
                ],
                "added": added,
            }
        )
        return
    rows = [
        [*key, usd_text(moved.before_nano), usd_text(moved.after_nano), _signed(moved)]
        for key, moved in sorted(groups.items())
    ]
    head = ["tenant", "provider", "model", "booked USD", "should USD", "difference"]
    print_table(head, rows, empty="every line is as the prices of its day say")
    click.echo(f"{len(looked.found):,} of {looked.n:,} lines are off, {usd_text(total)} USD in all")
    if looked.n_unknown or looked.n_inexact:
        click.echo(
            f"left alone: {looked.n_unknown:,} lines without a price or with an unknown price set,"
            f" {looked.n_inexact:,} that do not say all they were priced by"
        )
    if added is not None:
        click.echo(f"{added:,} adjustments written")
    elif looked.found:
        click.echo("nothing was written; add --apply --reason '...'")
