import subprocess
import sys

from tests.docs.pages import ROOT

from trimtab.evals.report.failure import failed_section, sentence


def test_a_failure_is_told_and_is_no_pass() -> None:
    text = failed_section("evals/rag.yaml", OSError("no `route` to @host\nsecond line"))

    assert text.startswith("## COULD NOT RUN `evals/rag.yaml`\n")
    assert "`no 'route' to @host second line`" in text
    assert "This is no PASS." in text


def test_an_error_without_words_is_told_by_its_name() -> None:
    assert sentence(KeyboardInterrupt()) == "KeyboardInterrupt"


def test_it_can_be_told_where_nothing_that_computes_is_installed() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; sys.modules['numpy'] = None; import trimtab.evals.report.failure",
        ],
        cwd=ROOT / "src",
        check=False,
    )

    assert done.returncode == 0
