"""Runs the keeper: recorder, log line, exporters, console and admin API."""

import asyncio
import os
import signal
import socket
import stat
from collections.abc import Coroutine, Sequence
from functools import partial
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from trimtab import wiring
from trimtab.console.app import create_app
from trimtab.console.samples import samples
from trimtab.domain.errors import SettingsInvalid
from trimtab.settings import Settings
from trimtab.telemetry.spool import Claim, claim_alone
from trimtab.telemetry.sweep import Needed, sweep
from trimtab.wiring.exporting import in_turn, pushing
from trimtab.wiring.keeper_console import keeper_console
from trimtab.wiring.keeper_jobs import keeper_schedule
from trimtab.wiring.keeper_parts import keeper_parts
from trimtab.wiring.online import judging_jobs

SWEEP_S = 10.0
NICENESS = 5
STOP_S = 5


def run_keeper(home: Path, settings: Settings) -> None:
    """Keep until SIGTERM or SIGINT.

    Raises:
        TrimtabError: it cannot start; why.
    """
    claimed = claim_alone(home / "spool", "keeper")
    # What is recorded can wait a moment; who asks the gateway cannot.
    os.nice(NICENESS)
    stopped_by: list[int] = []
    asyncio.run(_run(home, settings, claimed, stopped_by))
    for number in stopped_by:
        # Whoever started it sees that it was told to stop.
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)


async def _run(home: Path, settings: Settings, claimed: Claim, stopped_by: list[int]) -> None:
    parts = await keeper_parts(home, settings, claimed)
    console = keeper_console(parts)
    measured = partial(samples, console)
    schedule = keeper_schedule(parts, measured)
    server = _server(create_app(console))
    listening = _listen(wiring.keeper_socket(home))
    always = (
        parts.recorder,
        parts.lines,
        parts.spool,
        parts.following,
        parts.counting,
        schedule,
        parts.room,
    )
    bringing = (*parts.named, *parts.releasing)
    readers = (parts.recorder, parts.lines, *parts.exporters, *bringing)
    jobs = [
        *(it.run() for it in (*always, *bringing, *parts.hooks)),
        *in_turn((*parts.exporters, *pushing(settings, parts.clock, measured))),
        *await judging_jobs(home, settings, parts.spool, parts.recorder, parts.snapshot),
        _sweep(home, [it.needed for it in readers]),
    ]
    try:
        await _until_one_ends(jobs, server, listening, stopped_by)
    finally:
        parts.close()
        wiring.keeper_socket(home).unlink(missing_ok=True)


async def _until_one_ends(
    jobs: Sequence[Coroutine[object, object, None]],
    server: uvicorn.Server,
    listening: socket.socket,
    stopped_by: list[int],
) -> None:
    """Serve while all jobs run; one that fails ends the keeper, for whoever started it to see."""
    tasks = [asyncio.create_task(job) for job in jobs]
    # The server hands on what stopped it once it is through, and then the jobs are not.
    signal.signal(signal.SIGTERM, lambda number, _frame: stopped_by.append(number))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    await asyncio.wait([*tasks, serving], return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    await serving
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome


async def _sweep(home: Path, readers: Sequence[Needed]) -> None:
    while True:
        await asyncio.to_thread(sweep, home / "spool", readers)
        await asyncio.sleep(SWEEP_S)


def _listen(path: Path) -> socket.socket:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = path.parent.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise SettingsInvalid(
            f"'{path.parent}' belongs to somebody else; remove it, or choose a shorter --home"
        )
    # Only our own user may reach it, wherever it lies.
    path.parent.chmod(0o700)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(128)
    return listener


def _server(app: Starlette) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            app,
            ws="none",
            lifespan="off",
            access_log=False,
            log_level="warning",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=STOP_S,
        )
    )
