"""What `trimtab up` does before it starts the roles: apply the file, make the first accounts."""

import asyncio
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from trimtab import wiring
from trimtab.console.auth import ensure_admin
from trimtab.domain.change import Source
from trimtab.domain.tenant import Key
from trimtab.settings import DEMO, Settings, locate
from trimtab.store.sqlite.control import SqliteControl

SIM = "sim"
SMOLLM2 = "smollm2"


@dataclass(frozen=True, slots=True)
class Start:
    """What is to be started, and what its user must be told.

    Attributes:
        settings: What was applied.
        providers: Names of programs that answer as providers, with their arguments.
        config: Arguments that name the file to the other roles.
        admin_password: Password of the console's first account, if it was made just now.
        demo_keys: Tenants and keys made just now.
    """

    settings: Settings
    providers: Sequence[tuple[str, Sequence[str]]]
    config: Sequence[str]
    admin_password: str | None
    demo_keys: Sequence[tuple[str, str]]


def apply(home: Path, settings: Settings, author: str) -> None:
    """Make the configuration say what a file says.

    Raises:
        SettingsInvalid: something in use would disappear; nothing was changed.
    """
    reason = f"applied {settings.file.name}"
    asyncio.run(wiring.control(home).apply_file(settings.desired(), author=author, reason=reason))


def prepare(
    home: Path,
    config: Path | None,
    author: str,
    *,
    sim: bool,
    sim_port: int,
    local_model: bool,
) -> Start:
    """Apply the file, with the simulator and the local model in it if they are asked for.

    Raises:
        SettingsInvalid: the file is wrong, or `--sim` is asked for and it has no provider `sim`.
    """
    path = locate(config, os.environ)
    settings = wiring.load_settings(path)
    providers: list[tuple[str, Sequence[str]]] = []
    if sim or _is_here(settings, SIM):
        port = sim_port or _free_port(_port(settings, SIM))
        settings = settings.with_provider_url(SIM, f"http://127.0.0.1:{port}")
        providers.append((SIM, ["sim", "--port", str(port)]))
    if local_model:
        port = _free_port(0)
        settings = settings.with_local_model(SMOLLM2, f"http://127.0.0.1:{port}")
        where = ["--port", str(port), "--home", str(home.absolute())]
        providers.append(("local model", ["local-models", "serve", SMOLLM2, *where]))
    apply(home, settings, author)
    return Start(
        settings=settings,
        providers=providers,
        config=["--config", str(path.absolute()), "--applied"],
        admin_password=asyncio.run(ensure_admin(SqliteControl(home / "control.db"), os.urandom)),
        demo_keys=asyncio.run(_demo_keys(home, settings, author)) if path == DEMO else (),
    )


async def _demo_keys(home: Path, settings: Settings, author: str) -> Sequence[tuple[str, str]]:
    """Make a key of each tenant, once: only hashes are kept, so it cannot be shown again."""
    control = wiring.control(home)
    state = await control.state()
    if any(isinstance(entry.value, Key) for entry in state.values()):
        return ()
    made: list[tuple[str, str]] = []
    for tenant in settings.tenants:
        key = await control.create_key(
            tenant,
            name=f"demo-{tenant}",
            models=None,
            expires_us=None,
            reason="first start of the demo",
            author=author,
            source=Source.SYSTEM,
        )
        made.append((tenant, key.text))
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
