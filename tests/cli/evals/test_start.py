import subprocess
import sys

PROBE = """
import sys
import trimtab.cli.evals
print([it for it in ("numpy", "scipy") if it in sys.modules])
"""


def test_the_commands_are_there_before_anything_that_computes_is_loaded() -> None:
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", PROBE], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"
