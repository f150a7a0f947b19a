import subprocess
import sys
from importlib.util import find_spec

import click
import click.testing
import pytest

from trimtab.cli import COMMANDS, Program, program
from trimtab.domain.errors import ProviderError, SettingsInvalid, TrimtabError, TryLater


def test_help_imports_no_command() -> None:
    script = (
        "import sys; sys.argv = ['trimtab', '--help']\n"
        "from trimtab.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "heavy = {'asyncio', 'sqlite3', 'msgspec', 'ruamel.yaml', 'trimtab.wiring'}\n"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()\n"
    )

    # Our own interpreter and our own script.
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    for name, command in COMMANDS.items():
        assert name in done.stdout
        assert command.summary in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_table_is_there(name: str) -> None:
    module, _, attribute = COMMANDS[name].target.partition(":")

    assert find_spec(module) is not None
    assert attribute.isidentifier()


@pytest.mark.parametrize("name", ["check", "init", "keys", "tenants", "changes"])
def test_a_command_shows_its_help(name: str) -> None:
    result = click.testing.CliRunner().invoke(program, [name, "--help"])

    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: trimtab {name} ")


def test_an_unknown_command_is_a_usage_error() -> None:
    result = click.testing.CliRunner().invoke(program, ["chek"])

    assert result.exit_code == 2
    assert "No such command 'chek'" in result.stderr


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (SettingsInvalid("this is wrong; fix it"), 2),
        (TryLater("the store is away; bring it back"), 4),
        (ProviderError("the provider failed; try again"), 4),
        (PermissionError(13, "Permission denied", "x.db"), 4),
    ],
)
def test_what_goes_wrong_is_one_line_and_an_exit_code(
    raised: TrimtabError | OSError, code: int
) -> None:
    group = Program("trimtab", invoke_without_command=True, callback=lambda: _raise(raised))

    result = click.testing.CliRunner().invoke(group, [])

    assert (result.exit_code, result.stderr) == (code, f"trimtab: {raised}\n")


def _raise(error: Exception) -> None:
    raise error
