"""Applying the file, and what else `trimtab up` does before it starts the roles."""

import asyncio
import fcntl
import logging
import os
import socket
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from trimtab import wiring
from trimtab.console.auth import ensure_admin
from trimtab.control.changes import EVERYTHING
from trimtab.domain.change import Change, PointerKind, Source, read_reason
from trimtab.domain.errors import SettingsInvalid, TryLater
from trimtab.domain.tenant import EVALS, Key, KeyTerms
from trimtab.settings import DEMO, Settings, locate
from trimtab.store.base.sums import Use
from trimtab.store.files import replace_file
from trimtab.store.rollup import HOUR_US
from trimtab.wiring.encryption import join_encryption
from trimtab.wiring.following import LAST_GOOD
from trimtab.wiring.membership import control_store, join
from trimtab.wiring.record_store import join_records
from trimtab.wiring.registry import publish_demo

log = logging.getLogger("trimtab")

SIM = "sim"
SEEN_S, POLL_S = 2.0, 0.02
SMOLLM2 = "smollm2"
LOCK, COPY, URL = "up.lock", "up.yaml", "up.url"

Places = dict[str, str]
"""URLs of what `trimtab up` runs itself: the simulator's, the local model's."""


@dataclass(frozen=True, slots=True)
class Start:
    """What is to be started, and what its user must be told.

    Attributes:
        settings: What was applied.
        providers: Names of programs that answer as providers, with their arguments.
        config: Arguments that name the file to the other roles.
        is_demo: Whether there was no file, so that the demo is run.
    """

    settings: Settings
    providers: Sequence[tuple[str, Sequence[str]]]
    config: Sequence[str]
    is_demo: bool


@dataclass(frozen=True, slots=True)
class Secrets:
    """What was made just now and can be shown this once.

    Attributes:
        admin_password: Password of the console's first account.
        demo_keys: Keys by tenant.
    """

    admin_password: str | None
    demo_keys: Mapping[str, str]


def hold(home: Path) -> int:
    """Take a state directory for one `trimtab up`, as long as the file that this gives is open.

    Raises:
        SettingsInvalid: another has it.
    """
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = os.open(home / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        os.close(file)
        raise SettingsInvalid(
            f"trimtab runs on '{home}' already; stop it, or name another state directory with"
            " --home"
        ) from exc
    # What the one before ran, nobody runs any more.
    os.ftruncate(file, 0)
    (home / URL).unlink(missing_ok=True)
    return file


def announce(home: Path, url: str) -> None:
    """Tell other commands of this directory where its gateway listens."""
    replace_file(home / URL, url.encode())


def announced(home: Path) -> str | None:
    """Find the gateway of the `trimtab up` that runs on a directory, if one does."""
    try:
        file = os.open(home / LOCK, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        there = home / URL
        return there.read_text() if there.exists() else None
    finally:
        os.close(file)
    return None


def apply(
    home: Path,
    settings: Settings,
    author: str,
    *,
    sure: bool,
    only: AbstractSet[PointerKind] = EVERYTHING,
    reason: str | None = None,
) -> tuple[Change, ...]:
    """Make the configuration say what a file says; nobody is cut off unless the author is `sure`.

    Raises:
        SettingsInvalid: something in use would disappear; nothing was changed.
    """
    store = settings.gateway.store
    recorded = settings.gateway.records
    proof = wiring.site_proof(home) if store or recorded else ""
    join(home, store, proof)
    join_records(home, recorded, proof, settings.gateway.archive)
    join_encryption(home, settings)
    return asyncio.run(
        wiring.control(home).apply_file(
            settings.desired(),
            author=author,
            reason=read_reason(reason or f"applied {settings.file.name}"),
            only=only,
            used=None if sure else lambda: _used(home),
        )
    )


def apply_if_there(home: Path, settings: Settings, author: str, *, sure: bool) -> None:
    """The same for a role: while the control store is away it goes on with what it ran last.

    Raises:
        SettingsInvalid: something in use would disappear; nothing was changed.
        TryLater: the store is away, and nothing was ever run here.
    """
    try:
        apply(home, settings, author, sure=sure)
    except TryLater as exc:
        if not any((home / LAST_GOOD).glob("*.json")):
            raise
        log.warning(
            "%s was not applied (%s); going on with the last good state", settings.file, exc
        )


async def _used(home: Path) -> Sequence[Use]:
    """Tell what was called in the last hour; nothing, where nothing was ever recorded."""
    reading = wiring.records(home)
    since_us = wiring.SystemClock().now_us() - HOUR_US
    return await reading.used(since_us=since_us) if reading.exists else ()


def as_run(home: Path, settings: Settings) -> Settings:
    """Lay over a file what the `trimtab up` that runs here chose by itself: where its programs are.

    Raises:
        SettingsInvalid: the file has no provider `sim` any more, and the simulator runs.
    """
    try:
        file = os.open(home / LOCK, os.O_RDONLY)
    except FileNotFoundError:
        return settings
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        # Empty while it is being written.
        told = (home / LOCK).read_bytes() or b"{}"
        return _placed(settings, msgspec.json.decode(told, type=Places))
    finally:
        os.close(file)
    return settings


# one parameter an option
def prepare(  # noqa: PLR0913
    home: Path,
    config: Path | None,
    author: str,
    *,
    sim: bool,
    sim_port: int,
    local_model: bool,
    sure: bool,
) -> Start:
    """Apply the file, with the simulator and the local model in it if they are asked for.

    The roles run a copy of it: one that is started anew does not meet a file that was broken
    meanwhile.

    Raises:
        SettingsInvalid: the file is wrong, or `--sim` is asked for and it has no provider `sim`.
    """
    path = locate(config, os.environ)
    settings = wiring.load_settings(path)
    providers: list[tuple[str, Sequence[str]]] = []
    places: Places = {}
    if sim or _is_here(settings, SIM):
        port = sim_port or _free_port(_port(settings, SIM))
        places[SIM] = f"http://127.0.0.1:{port}"
        providers.append((SIM, ["sim", "--port", str(port)]))
    if local_model:
        port = _free_port(0)
        places[SMOLLM2] = f"http://127.0.0.1:{port}"
        where = ["--port", str(port), "--home", str(home.absolute())]
        providers.append(("local model", ["local-models", "serve", SMOLLM2, *where]))
    settings = _placed(settings, places)
    apply_if_there(home, settings, author, sure=sure)
    (home / LOCK).write_bytes(msgspec.json.encode(places))
    copy = home.absolute() / COPY
    replace_file(copy, path.read_bytes())
    return Start(
        settings=settings,
        providers=providers,
        config=["--config", str(copy), "--applied"],
        is_demo=path == DEMO,
    )


def _placed(settings: Settings, places: Places) -> Settings:
    for name, url in places.items():
        if name == SMOLLM2:
            settings = settings.with_local_model(name, url)
        else:
            settings = settings.with_provider_url(name, url)
    return settings


def introduce(home: Path, start: Start, author: str) -> Secrets:
    """Make the first account, and the keys of the demo. Print them at once: nobody can again.

    The keys work when this returns: running workers have seen them. Nothing is made while the
    control store is away.
    """
    try:
        if start.is_demo:
            asyncio.run(publish_demo(home, start.settings, author))
        return Secrets(
            asyncio.run(ensure_admin(wiring.accounts(home), os.urandom)),
            asyncio.run(_demo_keys(home, start.settings, author)) if start.is_demo else {},
        )
    except TryLater:
        return Secrets(None, {})


async def seen(home: Path, seq: int) -> None:
    """Wait until every worker runs a change, for at most two seconds."""
    store = control_store(home)
    for _ in range(round(SEEN_S / POLL_S)):
        acks = await store.acknowledgements()
        if acks and all(ack.config_seq >= seq for ack in acks):
            return
        await asyncio.sleep(POLL_S)


async def _demo_keys(home: Path, settings: Settings, author: str) -> Mapping[str, str]:
    """Make a key of each tenant that has none: only hashes are kept, so it is shown once."""
    keyring = wiring.keyring(home)
    state = await keyring.control.state()
    have = {entry.value.tenant for entry in state.values() if isinstance(entry.value, Key)}
    made: dict[str, str] = {}
    for tenant in settings.tenants:
        if tenant in have or tenant == EVALS:
            continue
        key = await keyring.create(
            KeyTerms(name=f"demo-{tenant}", tenant=tenant),
            reason="first start of the demo",
            author=author,
            source=Source.SYSTEM,
        )
        made[tenant] = key.text
    if made:
        await seen(home, (await keyring.control.snapshot()).config_seq)
    return made


def _is_here(settings: Settings, name: str) -> bool:
    provider = settings.providers.get(name)
    return provider is not None and urlsplit(provider.url).hostname in ("127.0.0.1", "localhost")


def _port(settings: Settings, name: str) -> int:
    provider = settings.providers.get(name)
    return (urlsplit(provider.url).port or 0) if provider is not None else 0


def _free_port(wanted: int) -> int:
    """Give the wanted port if nobody has it, else one of the system's choice."""
    for port in (wanted, 0):
        try:
            with socket.create_server(("127.0.0.1", port)) as listener:
                return int(listener.getsockname()[1])
        except OSError:
            continue
    return wanted
