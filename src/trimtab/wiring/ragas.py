"""ragas beside Trimtab: an environment of its own in the state directory, and a process of it."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Self

import msgspec

from trimtab.domain.errors import UpstreamFailed
from trimtab.evals.metrics.base import Heard

FOLDER = "ragas"
LONGEST_LINE = 1 << 24
LOG = "ragas.log"

_REQUIREMENTS = files("trimtab.evals") / "ragas.requirements.txt"
_WORKER = files("trimtab.evals") / "ragas_worker.py"
_MARK = "installed.txt"


def install(folder: Path) -> None:
    """Build the environment anew, from whichever index the machine uses.

    Raises:
        UpstreamFailed: it cannot be built; what there was is gone.
    """
    shutil.rmtree(folder, ignore_errors=True)
    try:
        _run(sys.executable, "-m", "venv", str(folder))
        pip = (str(_python(folder)), "-m", "pip", "--disable-pip-version-check", "install")
        _run(*pip, "--quiet", "--requirement", str(_REQUIREMENTS))
        _run(str(_python(folder)), "-I", "-c", "import ragas.metrics.collections")
    except UpstreamFailed:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    (folder / _MARK).write_text(_REQUIREMENTS.read_text("utf-8"), "utf-8")


def installed(home: Path) -> "RagasProcess | None":
    """Give the ragas of a state directory; `None` if there is none, or another version."""
    folder = home / FOLDER
    try:
        mark = (folder / _MARK).read_text("utf-8")
    except OSError:
        return None
    return RagasProcess(folder) if mark == _REQUIREMENTS.read_text("utf-8") else None


@dataclass(slots=True)
class RagasProcess:
    """See `metrics.base.Ragas`. It starts with the first dialogue, and ends with the block."""

    folder: Path
    _process: asyncio.subprocess.Process | None = None
    _reading: asyncio.Task[None] | None = None
    _starting: asyncio.Lock = field(default_factory=asyncio.Lock)
    _heard: dict[int, asyncio.Queue[Heard]] = field(default_factory=dict[int, asyncio.Queue[Heard]])
    _last: int = 0
    _ended: str = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is None or self._reading is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await asyncio.gather(self._process.wait(), self._reading)

    @asynccontextmanager
    async def dialogue(self) -> "AsyncGenerator[_Dialogue]":
        """See `Ragas.dialogue`."""
        async with self._starting:
            if self._process is None:
                await self._start()
        self._last += 1
        number = self._last
        queue = self._heard[number] = asyncio.Queue[Heard]()
        if self._ended:
            queue.put_nowait(Heard(id=number, failed=self._ended))
        try:
            yield _Dialogue(self, number, queue)
        except BaseException:
            await self.tell({"id": number, "gone": True})
            raise
        finally:
            del self._heard[number]

    async def tell(self, message: dict[str, object]) -> None:
        """Write a line. That nobody reads it any more is heard where answers are."""
        stdin = None if self._process is None else self._process.stdin
        if stdin is not None:
            with contextlib.suppress(ConnectionError):
                stdin.write(msgspec.json.encode(message) + b"\n")
                await stdin.drain()

    async def _start(self) -> None:
        # It needs nothing of our environment, and is told no key.
        environment = {"RAGAS_DO_NOT_TRACK": "true", "HOME": str(self.folder), "PATH": os.defpath}
        with (self.folder / LOG).open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(str(_python(self.folder)), "-I", str(_WORKER)),
                env=environment,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=LONGEST_LINE,
                start_new_session=True,
            )
        self._reading = asyncio.create_task(self._read(self._process))

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        stdout = process.stdout
        try:
            while stdout is not None and (line := await stdout.readline()):
                heard = msgspec.json.decode(line, type=Heard)
                if heard.id in self._heard:
                    self._heard[heard.id].put_nowait(heard)
        except (ValueError, msgspec.DecodeError):
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        self._ended = f"the process of ragas ended; look at '{self.folder / LOG}'"
        for number, queue in self._heard.items():
            queue.put_nowait(Heard(id=number, failed=self._ended))


@dataclass(frozen=True, slots=True)
class _Dialogue:
    process: RagasProcess
    number: int
    queue: asyncio.Queue[Heard]

    async def tell(self, **members: object) -> None:
        """See `Dialogue.tell`."""
        await self.process.tell({"id": self.number, **members})

    async def hear(self) -> Heard:
        """See `Dialogue.hear`."""
        return await self.queue.get()


def _python(folder: Path) -> Path:
    return folder / "bin" / "python"


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no reason was given"]
        raise UpstreamFailed(
            f"the environment of ragas cannot be built ({said[-1]}); look at the package index of"
            " this machine, and try again"
        )
