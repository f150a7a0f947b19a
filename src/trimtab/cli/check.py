"""`trimtab check`: is the file right, and what may a key do under it?"""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import click

from trimtab import wiring
from trimtab.cli.options import common_options, config_option
from trimtab.cli.output import print_json
from trimtab.control.desired import as_drafts, preview
from trimtab.control.snapshot import Grant, Snapshot, build
from trimtab.domain.budget import Budget, Period, WhenEmpty
from trimtab.domain.errors import InvalidRequest, NotFound, SettingsInvalid
from trimtab.domain.ids import TenantId
from trimtab.domain.model import Model, Target
from trimtab.domain.money import usd_text
from trimtab.domain.tenant import Key, Limits
from trimtab.wiring.encryption import check_encryption
from trimtab.wiring.litellm import check_litellm
from trimtab.wiring.pricing import pricing
from trimtab.wiring.record_store import check_drivers

WRONG = 1
SQLITE = "sqlite"

_LIMITS = (
    ("requests_per_minute", "/min"),
    ("tokens_per_minute", " tok/min"),
    ("parallel", " at once"),
)


@click.command()
@config_option
@click.option("--key", "key_name", help="Show what this key may do, by its id or name.")
@click.option("--tenant", help="With --key: for whom, if the key acts for many tenants?")
@click.option("--model", help="With --key: may it call this model, and where does it lead?")
@click.option("--strict", is_flag=True, help="Fail on warnings, too.")
@common_options
def command(
    config: Path | None,
    key_name: str | None,
    tenant: str | None,
    model: str | None,
    home: Path,
    *,
    strict: bool,
    as_json: bool,
) -> None:
    """Validate the file; all that is wrong is told at once. Exits 1 if anything is.

    Example: trimtab check --key my-app --model chat
    """
    if model is not None and key_name is None:
        raise click.UsageError("--model needs --key: who would call it?")
    try:
        settings = wiring.load_settings(config)
        _check_installed(settings)
    except SettingsInvalid as exc:
        _print_wrong(str(exc).splitlines(), as_json=as_json)
        raise SystemExit(WRONG) from exc
    snapshot = build(0, preview({}, as_drafts(settings.desired())))
    if key_name is not None:
        grant = _grant(key_name, tenant, snapshot, home)
        raise SystemExit(_answer(grant, snapshot, model, as_json=as_json))
    notes = settings.notes(wiring.now().date())
    errors = [note for note in notes if note.level == "error"]
    failed = bool(errors) or (strict and bool(notes))
    gateway = settings.gateway
    stores = _stores(gateway.store, gateway.records, gateway.archive)
    if as_json:
        members = [
            {"level": n.level, "path": n.path, "line": n.line, "message": n.message} for n in notes
        ]
        told = {"file": str(settings.file), **stores}
        print_json({"ok": not failed, **told, "errors": [], "notes": members})
    else:
        counts = _counts(snapshot, len(settings.keys))
        click.echo(f"{settings.file}  {'FAILED' if failed else 'ok'}   {counts}")
        for name, store in stores.items():
            if store != SQLITE:
                click.echo(f"  {name}  {store}")
        for note in notes:
            click.echo(f"  {note.level:<5}  {note.path}: {note.message}")
    raise SystemExit(WRONG if failed else 0)


def _check_installed(settings: wiring.Settings) -> None:
    """Insist on what a file needs. Raises `SettingsInvalid`."""
    check_litellm(settings.providers.values())
    check_drivers(settings.gateway.records, settings.gateway.archive)
    check_encryption(settings)


def _stores(store: str | None, records: str | None, archive: str | None) -> dict[str, str]:
    """Tell where things are kept, by the members of `gateway`."""
    kept = {"store": store or SQLITE, "records": records or SQLITE}
    return kept if archive is None else {**kept, "archive": archive}


def _print_wrong(faults: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        print_json({"ok": False, "errors": faults, "notes": []})
        return
    for fault in faults:
        click.echo(fault, err=True)
    click.echo(
        f"{len(faults)} error{'s' if len(faults) > 1 else ''}; nothing was changed", err=True
    )


def _counts(snapshot: Snapshot, keys: int) -> str:
    numbers = (
        (len(snapshot.providers), "provider"),
        (len(snapshot.models), "model"),
        (len(snapshot.tiers), "tier"),
        (len(snapshot.tenants), "tenant"),
        (keys, "key"),
    )
    return ", ".join(f"{n} {noun}{'' if n == 1 else 's'}" for n, noun in numbers)


def _grant(wanted: str, tenant: str | None, snapshot: Snapshot, home: Path) -> Grant:
    """Find a key in the file, else among the live ones."""
    found = _grants(wanted, tenant, snapshot)
    if not found and wiring.has_control(home):
        live = asyncio.run(wiring.control(home).snapshot())
        found = _grants(wanted, tenant, live)
    if not found:
        raise NotFound(f"there is no key {wanted!r}; look at `trimtab keys list`")
    if len(found) > 1:
        ids = ", ".join(sorted(grant.key.id for grant in found))
        raise NotFound(f"{wanted!r} names more than one key; name one of {ids}")
    return found[0]


def _grants(wanted: str, tenant: str | None, snapshot: Snapshot) -> list[Grant]:
    found = [grant for grant in snapshot.grants.values() if _is(grant.key, wanted)]
    for key in snapshot.acting.values():
        if not _is(key, wanted):
            continue
        if tenant is None:
            raise InvalidRequest(f"key {wanted!r} acts for many tenants; name one with --tenant")
        grant = snapshot.acted_for(key, TenantId(tenant)) if key.may_act_for(tenant) else None
        if grant is None:
            raise NotFound(f"key {wanted!r} does not act for tenant {tenant!r}; name another")
        found.append(grant)
    return found


def _is(key: Key, wanted: str) -> bool:
    return wanted in (key.id, key.name) and not key.revoked


def _answer(grant: Grant, snapshot: Snapshot, name: str | None, *, as_json: bool) -> int:
    """Print what a key may do; the exit code says whether it may call the model."""
    found = None if name is None else snapshot.model(name)
    allowed = found is not None and grant.allows(found.name)
    limits = _limits(grant)
    models, origin = _models(grant)
    if as_json:
        print_json(
            {
                "key": grant.key.id,
                "tenant": grant.tenant.id,
                "tier": grant.tier.name,
                "limits": {member: {"value": v, "from": path} for member, _, v, path in limits},
                "budgets": [{"value": text, "from": path} for text, path in _budgets(grant)],
                "models": {"value": sorted(models), "from": origin},
                "content": grant.content,
                "durability": grant.durability,
                "model": name,
                "allowed": allowed if name is not None else None,
                "target": str(found.to) if found is not None else None,
                "targets": [_document(it) for it in (_targets(found, snapshot) if found else ())],
            }
        )
    else:
        _print(grant, limits, (models, origin))
        if name is not None:
            _print_targets(name, found, snapshot, allowed=allowed)
    return WRONG if name is not None and not allowed else 0


def _print(
    grant: Grant,
    limits: Sequence[tuple[str, str, int | None, str]],
    models: tuple[Sequence[str], str],
) -> None:
    click.echo(f"tenant {grant.tenant.id} ({grant.tier.name})   key {grant.key.id}")
    for _, unit, value, origin in limits:
        text = "unlimited" if value is None else f"{value:,}"
        click.echo(f"  limit    {text + unit:<22}  {origin}")
    for text, origin in _budgets(grant):
        click.echo(f"  budget   {text:<22}  {origin}")
    click.echo(f"  models   {', '.join(models[0]) or 'none':<22}  {models[1]}")
    click.echo(f"  content  {grant.content:<22}  durability {grant.durability}")


def _budgets(grant: Grant) -> Iterator[tuple[str, str]]:
    """Tell every budget that what the key is used for counts against, and where it is written."""
    tenant, budget = grant.tenant, grant.budget
    place = f"tenants.{tenant.id}"
    places = (f"tiers.{grant.tier.name}.budget", f"{place}.budget")
    yield from _sums(
        budget,
        places[tenant.budget.nano is not None],
        f"{places[tenant.budget.speed is not None]}.speed",
    )
    for name, of_feature in sorted(tenant.features.items()):
        yield from _sums(of_feature, f"{place}.features.{name}.budget")
    yield from _sums(tenant.each_end_user, f"{place}.each_end_user.budget")
    yield from _sums(grant.key.budget, f"key {grant.key.name}")


def _sums(budget: Budget, origin: str, speed: str | None = None) -> Iterator[tuple[str, str]]:
    warns = ", warns only" if budget.when_empty is WhenEmpty.WARN else ""
    if budget.downgrade is not None:
        warns = f", then {budget.downgrade.to} for {usd_text(budget.downgrade.nano)} USD more"
    if budget.nano is not None:
        yield f"{usd_text(budget.nano)} USD per {budget.per or Period.MONTH}{warns}", origin
    if budget.speed is not None:
        place = speed or f"{origin}.speed"
        yield f"{usd_text(budget.speed.nano)} USD in any {budget.speed.per}{warns}", place


def _print_targets(name: str, model: Model | None, snapshot: Snapshot, *, allowed: bool) -> None:
    if model is None:
        click.echo(f"  NO       model {name!r} is not in the file")
    elif not allowed:
        click.echo(f"  NO       model {name!r} is not among its models")
    else:
        for number, it in enumerate(_targets(model, snapshot), 1):
            click.echo(f"  target   {f'{number} {it.target}':<22}  {it.origin}, {_price(it)}")


class Reached(NamedTuple):
    """A target that a request may reach: where that is written, and USD per million tokens."""

    target: str
    origin: str
    input: str | None
    output: str | None


def _targets(model: Model, snapshot: Snapshot) -> list[Reached]:
    """List every target of a model in the order of asking."""
    price = pricing(snapshot)

    def reached(target: Target, origin: str) -> Reached:
        provider = snapshot.providers.get(target.provider)
        found = price(provider, target) if provider else None
        texts = [None if it is None else usd_text(it) for it in found or (None, None)]
        return Reached(str(target), origin, *texts)

    weights = {share.target: share.weight for share in model.shares}
    found = [
        reached(it, f"{model.kind}, weight {weights[it]}" if weights else str(model.kind))
        for it in model.targets
    ]
    for cause in ("when_error", "when_rate_limited", "when_context_too_long", "when_refused"):
        for index, name in enumerate(getattr(model.fallback, cause) or ()):
            other = snapshot.model(name)
            if other is not None:
                found.append(reached(other.to, f"fallback.{cause}[{index}] {name}"))
    return found


def _document(it: Reached) -> dict[str, object]:
    price = {"input": it.input, "output": it.output}
    return {"target": it.target, "from": it.origin, "usd_per_mtok": price if it.input else None}


def _price(it: Reached) -> str:
    if it.input is None:
        return "no price"
    return f"USD {it.input} in, {it.output or 'unknown'} out per Mtok"


def _limits(grant: Grant) -> list[tuple[str, str, int | None, str]]:
    """Give every limit with its unit, its value and where that is written."""
    found: list[tuple[str, str, int | None, str]] = []
    for member, unit in _LIMITS:
        origin = "default"
        for path, limits in (
            (f"tenants.{grant.tenant.id}.limits", grant.tenant.limits),
            (f"tiers.{grant.tier.name}.limits", grant.tier.limits),
        ):
            if origin == "default" and _member(limits, member) is not None:
                origin = f"{path}.{member}"
        found.append((member, unit, _member(grant.limits, member), origin))
    return found


def _member(limits: Limits, name: str) -> int | None:
    value: int | None = getattr(limits, name)
    return value


def _models(grant: Grant) -> tuple[Sequence[str], str]:
    models = sorted(grant.models)
    if grant.key.models is not None:
        return models, f"key {grant.key.id}"
    if grant.tenant.models is not None:
        return models, f"tenants.{grant.tenant.id}.models"
    return models, f"tiers.{grant.tier.name}.models"
