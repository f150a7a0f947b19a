"""A fresh project in which a page is followed, line by line, as a reader would.

What a page writes and what is really there differ in a few places:

    127.0.0.1:8080     the gateway's address        127.0.0.1:9000   the simulator's
    tt_dev_…           the key that was shown last
    7hq2m9xkd4wp       the id of that key
    r_01K…             the request that was recorded last
    ... and …          whatever varies; a line of its own stands for any lines
"""

import contextlib
import io
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click.testing
from ruamel.yaml import YAML
from tests.docs.pages import Block

from trimtab.cli import program
from trimtab.settings import DEMO

DEADLINE_S = 20.0
QUICK_S = 10.0
KEY = re.compile(r"tt_[a-z]+_([0-9a-z]{12})_[0-9A-Za-z]{49}")
SAMPLE_KEY, SAMPLE_KEY_ID, SAMPLE_REQUEST = "tt_dev_…", "7hq2m9xkd4wp", "r_01K…"
OWN_FILE = re.compile(r"# ((?:prompts|evals)/\S+\.yaml)\n")
"""What a block of YAML begins with that is a file of its own."""

READS_ONLY = (
    "trace",
    "explain",
    "costs",
    "alerts list",
    "alerts replay",
    "bills show",
    "tenants list",
    "keys list",
    "changes list",
    "changes verify",
    "reconcile --day",
)


class Project:
    """A directory, and the Trimtab that runs in it once it is needed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port, self.sim_port = _free_port(), _free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.key = ""
        self.names: dict[str, Any] = {"__name__": "docs"}
        self.python = ""
        self.printed = ""

    def follow(self, block: Block) -> None:
        """Do what a block says."""
        match block.language:
            case "python":
                self.run_python(block.text)
            case "text":
                self.compare(block.text, self.printed, "the code before it")
            case "yaml" if (named := OWN_FILE.match(block.text)) is not None:
                path = self.directory / named[1]
                path.parent.mkdir(exist_ok=True)
                path.write_text(block.text)
            case "yaml":
                self.merge(block.text)
            case "console":
                for command, expected in transcript(block.text):
                    self.run_command(command, expected)
            case _:
                pass

    def run_python(self, text: str) -> None:
        """Run a block of Python, in the names that blocks before it left."""
        self.need_running()
        self.python = self.real(text)
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(self.python, "docs", "exec"), self.names)  # noqa: S102 -- the docs' own
        self.printed = out.getvalue()

    def merge(self, text: str) -> None:
        """Add members to the project's file; it begins as the one of `trimtab init`."""
        yaml = YAML()
        file = self.directory / "trimtab.yaml"
        whole: Any = yaml.load(file if file.exists() else DEMO)  # pyright: ignore[reportUnknownMemberType]
        _merge(whole, yaml.load(self.real(text)))  # pyright: ignore[reportUnknownMemberType]
        with file.open("w") as out:
            yaml.dump(whole, out)  # pyright: ignore[reportUnknownMemberType]

    def run_command(self, command: str, expected: str) -> None:
        """Run one line of a transcript and compare what it prints."""
        words = shlex.split(command)
        assert words[0] == "trimtab", f"{command!r}: a console block holds trimtab commands; use sh"
        if words[1] == "up":
            self.stop()
            self.start()
            self.compare(expected, self.log(), command)
        elif words[1] == "tail":
            self.tail(words[1:], expected)
        elif " ".join(words[1:3]).startswith(READS_ONLY):
            self.need_running()
            self.retry(words[1:], expected)
        else:
            if words[1] in ("tenants", "keys", "models", "changes", "prompts", "prices"):
                self.need_running()
            self.compare(expected, self.invoke(words[1:]), command)

    def invoke(self, words: list[str]) -> str:
        """Run a command, and wait until the worker knows what it changed."""
        result = click.testing.CliRunner().invoke(program, [self.real(word) for word in words])
        text: str = result.output
        self.learn(text)
        changed = re.search(r"change ([0-9]+)$", text, re.MULTILINE)
        if changed and self.process:
            number = int(changed[1])
            _eventually(lambda: self.config_seq() >= number, f"the worker runs change {number}")
        return text

    def retry(self, words: list[str], expected: str) -> None:
        """Run a command that only reads until it says what is expected."""
        end = time.monotonic() + QUICK_S
        while time.monotonic() < end:
            if matches(self.real(expected), self.invoke(words)):
                return
            time.sleep(0.05)
        self.compare(expected, self.invoke(words), " ".join(words))

    def tail(self, words: list[str], expected: str) -> None:
        """Follow requests while the code before it runs again and again."""
        with subprocess.Popen(
            [sys.executable, "-m", "trimtab", *words],
            cwd=self.directory,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        ) as process:
            assert process.stdout is not None
            os.set_blocking(process.stdout.fileno(), False)
            seen = b""

            def shown() -> bool:
                nonlocal seen
                self.run_python(self.python)
                time.sleep(0.3)
                assert process.stdout is not None
                seen += process.stdout.read() or b""
                wanted = expected.count("\n")
                lines = seen.decode().splitlines(keepends=True)[:wanted]
                return matches(self.real(expected), "".join(lines))

            try:
                _eventually(shown, f"trimtab tail shows\n{expected}")
            finally:
                process.terminate()

    def compare(self, expected: str, printed: str, what: str) -> None:
        """Fail unless a text is as expected."""
        wanted = self.real(expected)
        assert matches(wanted, printed), f"{what} printed\n{printed}\ninstead of\n{wanted}"

    def real(self, text: str) -> str:
        """Put what is really there in the place of what pages write."""
        text = text.replace("127.0.0.1:8080", f"127.0.0.1:{self.port}")
        text = text.replace("127.0.0.1:9000", f"127.0.0.1:{self.sim_port}")
        if self.key:
            found = KEY.fullmatch(self.key)
            assert found is not None
            text = text.replace(SAMPLE_KEY, self.key).replace(SAMPLE_KEY_ID, found[1])
        return text.replace(SAMPLE_REQUEST, self.last_request()) if SAMPLE_REQUEST in text else text

    def learn(self, printed: str) -> None:
        """Remember the first key of an output."""
        found = KEY.search(printed)
        if found:
            self.key = found[0]

    def last_request(self) -> str:
        """Give the id of the newest request in the log file."""
        lines = [
            json.loads(line)
            for path in (self.directory / ".trimtab/log").glob("*.jsonl")
            for line in path.read_text().splitlines()
        ]
        named = [line["request_id"] for line in lines if line["model"]]
        return named[-1] if named else SAMPLE_REQUEST

    def need_running(self) -> None:
        """Start it, unless it runs."""
        if self.process is None:
            self.start()

    def start(self) -> None:
        """Run `trimtab up` until it is ready."""
        with (self.directory / "up.log").open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "trimtab", "up"),
                    *("--port", str(self.port), "--sim-port", str(self.sim_port)),
                ],
                cwd=self.directory,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        _eventually(lambda: self.config_seq() > 0, "trimtab up is ready")
        _eventually(lambda: "Trimtab is running" in self.log(), "trimtab up says so")
        self.learn(self.log())

    def stop(self) -> None:
        """Stop it as a terminal would."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)
            self.process = None

    def log(self) -> str:
        """Everything that `trimtab up` printed."""
        return (self.directory / "up.log").read_text()

    def config_seq(self) -> int:
        """Tell the change the worker runs; 0 if it is not ready."""
        assert self.process is None or self.process.poll() is None, self.log()
        try:
            url = f"http://127.0.0.1:{self.port}/readyz"
            with urllib.request.urlopen(url, timeout=2) as answer:
                return int(json.load(answer)["config_seq"])
        except (OSError, urllib.error.HTTPError):
            return 0


@contextmanager
def project_in(directory: Path) -> Generator[Project]:
    """Follow a page in a directory, and stop at the end what was started."""
    project = Project(directory)
    try:
        yield project
    finally:
        project.stop()


def transcript(text: str) -> Iterator[tuple[str, str]]:
    """Part a transcript into commands and what each prints."""
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)
    assert not parts[0].strip(), "a console block begins with `$ `"
    for part in parts[1:]:
        command, _, expected = part.partition("\n")
        yield command.strip(), expected


def matches(expected: str, printed: str) -> bool:
    """Whether a text is as expected, blanks aside; nothing expected is anything."""
    if not expected.strip():
        return True
    pattern = "".join(_pattern(line) for line in expected.strip().splitlines())
    return (
        re.fullmatch(pattern, "".join(f"{_squeezed(it)}\n" for it in printed.strip().splitlines()))
        is not None
    )


def _pattern(line: str) -> str:
    if line.strip() in ("...", "…"):
        return r"(?:.*\n)*?"
    parts = re.split(r"\.\.\.|…", _squeezed(line))
    return ".*?".join(re.escape(part) for part in parts) + r"\n"


def _squeezed(line: str) -> str:
    return " ".join(line.split())


def _merge(into: Any, fragment: Any) -> None:  # noqa: ANN401 -- YAML
    for name, value in fragment.items():
        if isinstance(value, dict) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = value


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _eventually(look: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        if look():
            return
        time.sleep(0.02)
    raise AssertionError(f"waited {DEADLINE_S:g} s in vain: {what}")
