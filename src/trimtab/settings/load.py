"""Reading the file: everything wrong with it is told at once, each with its line and a remedy."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.model import unpinned
from trimtab.domain.retention import Retention
from trimtab.domain.signing import read_secret
from trimtab.domain.tenant import EVALS
from trimtab.domain.yaml_tree import Faults, Members, Wrong, read_tree, scalars
from trimtab.settings.encryption import read_master_key
from trimtab.settings.fields import members, read_listen
from trimtab.settings.model import (
    AlertSettings,
    GatewaySettings,
    PriceSettings,
    RegistrySettings,
    Settings,
    TelemetrySettings,
)
from trimtab.settings.reconcile import check_billings
from trimtab.settings.references import check_references
from trimtab.settings.secrets import NO_SECRET, REFERENCE, looks_secret, resolve
from trimtab.settings.sections import sections

FILE = "trimtab.yaml"
DEMO = Path(str(files("trimtab") / "demo" / FILE))
"""What is run when there is no file."""

CONFIG_VARIABLE = "TRIMTAB_CONFIG"
LISTEN_VARIABLE = "TRIMTAB_LISTEN"
MAX_BYTES = 4 * 2**20


def locate(option: Path | None, environ: Mapping[str, str]) -> Path:
    """Find the file: as asked, `TRIMTAB_CONFIG`, `trimtab.yaml` here, else the demo."""
    if option is not None:
        return option
    if environ.get(CONFIG_VARIABLE):
        return Path(environ[CONFIG_VARIABLE])
    here = Path(FILE)
    return here if here.exists() else DEMO


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """Read and check a file. `TRIMTAB_LISTEN` wins over `gateway.listen`.

    Raises:
        SettingsInvalid: something is wrong; one line `file:line: path: what; remedy` for each.
    """
    faults = Faults(str(path))
    top = read_tree(_text(path), faults)
    settings = None if top is None else _settings(path, top, faults, environ)
    if faults.found or settings is None:
        raise SettingsInvalid(faults.text())
    return settings


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as exc:
        raise SettingsInvalid(
            f"'{path}' cannot be read ({exc.strerror}); write one with `trimtab init`"
        ) from exc
    if len(raw) > MAX_BYTES:
        raise SettingsInvalid(f"'{path}' has more than {MAX_BYTES} bytes; make it smaller")
    try:
        return raw.decode()
    except UnicodeDecodeError as exc:
        line = raw.count(b"\n", 0, exc.start) + 1
        raise SettingsInvalid(f"{path}:{line}: this is not UTF-8; save it as UTF-8") from exc


def _settings(
    path: Path, top: Members, faults: Faults, environ: Mapping[str, str]
) -> Settings | None:
    for single in scalars(top):
        if looks_secret(single.text):
            faults.add(
                single.path,
                "looks like a secret; write env:NAME or file:PATH, and make a new secret",
                single.line,
            )
    given = members(top, faults, sections(environ), frozenset({"version"}))
    check_references(top, faults)
    listen = environ.get(LISTEN_VARIABLE)
    if given is None or faults.found:
        return None
    gateway = given.get("gateway", GatewaySettings())
    settings = Settings(
        file=path,
        gateway=_listening(gateway, listen, faults) if listen else gateway,
        providers=given.get("providers", {}),
        models=given.get("models", {}),
        tiers=given.get("tiers", {}),
        tenants=given.get("tenants", {}),
        keys=given.get("keys", {}),
        prices=given.get("prices", PriceSettings()),
        telemetry=given.get("telemetry", TelemetrySettings()),
        cloudwatch=given.get("cloudwatch"),
        site_budget=given.get("site"),
        registry=given.get("registry", RegistrySettings()),
        alerts=given.get("alerts", AlertSettings()),
        billings=given.get("reconcile", ()),
        retention=given.get("retention", Retention()),
        stripe=given.get("stripe"),
        online=given.get("evals"),
        log_to_stdout=given.get("log_line", False),
        master_key=given.get("content_encryption"),
        lines=faults.lines,
    )
    for at, fault in _misfits(settings):
        faults.add(at, fault)
    return replace(settings, unset=tuple(_unset(settings, environ)))


def _misfits(settings: Settings) -> Iterator[tuple[str, str]]:
    """Tell what does not fit together, each with its path."""
    yield from check_billings(settings.billings, settings.providers)
    yield from _misplaced(settings)
    if settings.online is not None and EVALS not in settings.tenants:
        why = f"and there is no tenant {EVALS!r}; add it to `tenants`, with a budget"
        yield "evals.online", f"has to be paid for, {why}"
    for tenant in settings.tenants.values():
        if tenant.stripe_customer is not None and settings.stripe is None:
            yield (
                f"tenants.{tenant.id}.stripe_customer",
                "means nothing without a section `stripe`; add `stripe: {key: env:NAME}`",
            )
    for model in settings.models.values():
        path = f"models.{model.name}.fallback"
        for name in unpinned(model, settings.models):
            yield path, f"a freezer falls back to freezers only, and {name!r} is none"
        if model.name in model.fallback.names():
            yield path, "a model cannot fall back to itself; name another"


def _misplaced(settings: Settings) -> Iterator[tuple[str, str]]:
    """Tell what does not fit where records are kept."""
    if settings.gateway.records is None:
        if settings.gateway.archive is not None:
            why = "the Postgres that keeps what adds up; add `gateway.records`"
            yield "gateway.archive", f"means nothing without {why}"
        return
    if settings.stripe is not None:
        why = "`gateway.records` names a store elsewhere; remove one of them"
        yield "stripe", f"passes on from records that are in the state directory, and {why}"
    if settings.master_key is not None and settings.gateway.store is None:
        why = "hosts that share `gateway.records` may have others; name a `gateway.store`, too"
        yield "content_encryption", f"keeps keys in the change log's store, and {why}"


def _listening(gateway: GatewaySettings, listen: str, faults: Faults) -> GatewaySettings:
    try:
        host, port = read_listen(listen)
    except Wrong as exc:
        faults.add("", f"{LISTEN_VARIABLE}: {exc}")
        return gateway
    return replace(gateway, host=host, port=port)


def _unset(settings: Settings, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for path, reference in _references(settings):
        if reference != NO_SECRET:
            try:
                resolve(reference, environ)
            except SettingsInvalid as exc:
                yield path, str(exc)
    signed = [
        (f"registry.webhooks[{index}].secret", webhook.secret)
        for index, webhook in enumerate(settings.registry.webhooks)
    ]
    signed += [
        (f"alerts.routes[{index}].secret", route.secret)
        for index, route in enumerate(settings.alerts.routes)
        if route.secret is not None
    ]
    read: list[tuple[str, str, Callable[[str], object]]]
    read = [(path, secret, read_secret) for path, secret in signed]
    if settings.master_key is not None:
        read.append(("content_encryption.master_key", settings.master_key, read_master_key))
    for path, secret, of in read:
        try:
            of(resolve(secret, environ).reveal())
        except SettingsInvalid as exc:
            yield path, str(exc)


def _references(settings: Settings) -> list[tuple[str, str]]:
    """Name all secrets that are taken as they are, by their paths."""
    references = [
        (f"providers.{provider.name}.key", key)
        for provider in settings.providers.values()
        for key in provider.keys
    ]
    references.append(("gateway.admin_key", settings.gateway.admin_key or NO_SECRET))
    references += [
        (f"gateway.{member}", store)
        for member, store in (
            ("store", settings.gateway.store),
            ("records", settings.gateway.records),
            ("archive", settings.gateway.archive),
        )
        if store is not None and REFERENCE.fullmatch(store)
    ]
    for index, exporter in enumerate(settings.telemetry.exporters):
        references += [
            (f"telemetry.exporters[{index}].headers.{name}", value)
            for name, value in exporter.headers.items()
        ]
        references += [
            (f"telemetry.exporters[{index}].{name}", value)
            for name, value in exporter.secrets.items()
        ]
    references += [
        (f"alerts.routes[{index}].{member}", reference)
        for index, route in enumerate(settings.alerts.routes)
        for member, reference in route.references
        if member != "secret"
    ]
    references += [
        (f"reconcile.providers.{it.provider}.admin_key", it.admin_key) for it in settings.billings
    ]
    if settings.stripe is not None:
        references.append(("stripe.key", settings.stripe.key))
    return references
