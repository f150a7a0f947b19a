"""The command line over a control store in a directory of its own, at a fixed time."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click.testing
import pytest

from trimtab import wiring
from trimtab.cli import program
from trimtab.control.changes import Control
from trimtab.control.keyring import Keyring
from trimtab.control.switches import Switches
from trimtab.settings import Settings, load, locate
from trimtab.store.sqlite.control import SqliteControl
from trimtab.testing import FrozenClock, seeded_entropy


class Terminal:
    """Runs commands as a person would."""

    def __init__(self, home: Path, control: Control) -> None:
        self.home = home
        self.control = control

    def run(self, *arguments: str, code: int = 0) -> click.testing.Result:
        """Run a command that ends with this exit code, and without a traceback."""
        result = click.testing.CliRunner().invoke(program, arguments)
        assert result.exit_code == code, (result.output, result.stderr)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    # What JSON holds is not known before it is looked at.
    def json(self, *arguments: str, code: int = 0) -> Any:  # noqa: ANN401
        """Run a command and read its JSON."""
        return json.loads(self.run(*arguments, "--json", code=code).stdout)


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def environ() -> Mapping[str, str]:
    return {}


@pytest.fixture
def terminal(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    clock: FrozenClock,
    environ: Mapping[str, str],
) -> Terminal:
    entropy = seeded_entropy()

    def home(option: Path | None) -> Path:
        return option or tmp_path / ".trimtab"

    def control(at: Path) -> Control:
        return Control(SqliteControl(at / "control.db"), clock, entropy)

    def switches(at: Path) -> Switches:
        return Switches(control(at), clock)

    def keyring(at: Path) -> Keyring:
        return Keyring(control(at), clock, entropy)

    def load_settings(config: Path | None) -> Settings:
        return load(locate(config, environ), environ)

    def now() -> datetime:
        return datetime.fromtimestamp(clock.now_us() / 1e6, UTC)

    for function in (home, control, switches, keyring, load_settings, now):
        monkeypatch.setattr(wiring, function.__name__, function, raising=False)
    monkeypatch.chdir(tmp_path)
    return Terminal(tmp_path, control(tmp_path / ".trimtab"))


@pytest.fixture
def company(terminal: Terminal) -> Terminal:
    """The demo, applied as `trimtab up` does."""
    settings = load(locate(None, {}), {})
    asyncio.run(terminal.control.apply_file(settings.desired(), author="ana", reason="the demo"))
    return terminal
