import json
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import parse

import pytest
from msgspec.structs import replace
from tests.cli.conftest import Terminal
from tests.cli.prompts.conftest import FILE
from tests.evals.runs import BASELINE, CANDIDATE, even, run, worse

from trimtab import wiring
from trimtab.cli.evals import stored
from trimtab.domain.errors import BudgetExhausted, ProviderTimeout, SettingsInvalid
from trimtab.evals.result import Run, Spent, Stop, write_run
from trimtab.evals.shelf import Shelf, content_hash
from trimtab.settings import DEMO
from trimtab.testing import FrozenClock


def shelved(terminal: Terminal, made: Run) -> str:
    Shelf(terminal.home / ".trimtab").put(made)
    return made.run_id


@pytest.mark.parametrize(
    ("made", "code"),
    [
        pytest.param(even(), 0, id="PASS"),
        pytest.param(worse(), 1, id="FAIL"),
        pytest.param(even(30), 3, id="INCONCLUSIVE"),
        pytest.param(even(stopped=Stop.NO_CREDENTIALS), 3, id="no credentials"),
    ],
)
def test_the_exit_code_is_the_verdict(
    terminal: Terminal, made: Run, code: int, request: pytest.FixtureRequest
) -> None:
    verdict = request.node.callspec.id.split()[0]

    done = terminal.run("evals", "gate", shelved(terminal, made), code=code)

    assert f"VERDICT {verdict if verdict.isupper() else 'INCONCLUSIVE'}" in done.stdout


def test_a_run_is_named_by_its_hash_or_as_a_file(terminal: Terminal) -> None:
    made = even()
    shelved(terminal, made)
    path = terminal.home / "run.json"
    path.write_bytes(write_run(made))

    for name in (f"sha256:{content_hash(made)}", str(path), made.run_id[:6]):
        terminal.run("evals", "gate", name)


def test_what_the_gate_printed_is_a_document_for_it(terminal: Terminal) -> None:
    made = worse()
    told = terminal.json("evals", "gate", shelved(terminal, made), code=1)
    path = terminal.home / "told.json"
    path.write_text(json.dumps(told))

    assert told["decision"]["verdict"] == "FAIL"
    assert terminal.json("evals", "gate", str(path), code=1) == told


def test_all_outputs_are_written(terminal: Terminal) -> None:
    terminal.run(
        *("evals", "gate", shelved(terminal, worse()), "--junit", "eval.xml"),
        *("--html", "eval.html", "--summary", "eval-summary.md", "--step-summary", "step.md"),
        "--annotate",
        code=1,
    )

    assert parse(terminal.home / "eval.xml").getroot().get("failures") == "32"  # noqa: S314
    assert "<h1>rag-golden</h1>" in (terminal.home / "eval.html").read_text()
    text = (terminal.home / "eval-summary.md").read_text()
    assert text.startswith("## FAIL `rag-golden`")
    assert (terminal.home / "step.md").read_text() == text


def test_github_is_told_where_it_runs(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = shelved(terminal, worse())
    plain = terminal.run("evals", "gate", run_id, code=1)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(terminal.home / "step.md"))

    there = terminal.run("evals", "gate", run_id, code=1)

    assert "::error" not in plain.output
    assert "::error file=evals/rag-golden.yaml,line=1," in there.stdout
    assert terminal.json("evals", "gate", run_id, code=1)["decision"]["verdict"] == "FAIL"
    assert (terminal.home / "step.md").read_text().count("## FAIL") == 2


def test_a_summary_is_written_whatever_happens(terminal: Terminal) -> None:
    (terminal.home / "bad.json").write_text("{}")

    done = terminal.run("evals", "gate", "bad.json", "--summary", "s.md", code=2)

    assert "'bad.json' is no document of a run" in done.stderr
    text = (terminal.home / "s.md").read_text()
    assert text.startswith("## COULD NOT RUN `bad.json`")
    assert "This is no PASS." in text


def test_a_summary_is_written_when_the_gate_itself_breaks(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_target: str) -> Any:  # noqa: ANN401
        raise RuntimeError("nobody expected this")

    monkeypatch.setattr("trimtab.cli.evals.gate.with_stats", broken)

    with pytest.raises(AssertionError):
        terminal.run("evals", "gate", "ev_1", "--summary", "s.md")
    assert "nobody expected this" in (terminal.home / "s.md").read_text()


def test_without_numpy_it_says_what_to_install(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_target: str) -> Any:  # noqa: ANN401
        raise ModuleNotFoundError("No module named 'numpy'", name="numpy")

    monkeypatch.setattr(stored, "resolve_name", missing)

    done = terminal.run("evals", "gate", "ev_1", "--summary", "s.md", code=4)

    assert "pip install 'trimtab[stats]'" in done.stderr
    assert "pip install" in (terminal.home / "s.md").read_text()


def test_several_runs_have_one_verdict_and_one_comment(terminal: Terminal) -> None:
    good = shelved(terminal, even(run_id="ev_good"))
    bad = shelved(terminal, worse(run_id="ev_bad"))

    done = terminal.run(
        *("evals", "gate", good, bad, "ev_away", "--summary", "s.md", "--junit", "j.xml"), code=1
    )
    rest = terminal.run("evals", "gate", good, "ev_away", code=2)

    assert done.stdout.count("VERDICT") == 2
    assert "there is no run 'ev_away'" in rest.stderr
    text = (terminal.home / "s.md").read_text()
    assert [it for it in text.splitlines() if it.startswith("## ")] == [
        "## PASS `rag-golden`",
        "## FAIL `rag-golden`",
        "## COULD NOT RUN `ev_away`",
    ]
    assert len(parse(terminal.home / "j.xml").getroot()) == 4  # noqa: S314
    told = terminal.json("evals", "gate", good, bad, code=1)
    assert [it["decision"]["verdict"] for it in told["reports"]] == ["PASS", "FAIL"]


def test_the_last_verdict_stands_in_the_list(terminal: Terminal) -> None:
    run_id = shelved(terminal, worse())

    terminal.run("evals", "gate", run_id, code=1)

    (card,) = terminal.json("evals", "list")["runs"]
    assert (card["run_id"], card["verdict"], card["reason"]) == (run_id, "FAIL", "regression")


def test_a_suite_is_run_first(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[tuple[Path, Path, stored.Asked]]()

    def run_suite(path: Path, home: Path, what: stored.Asked) -> Run:
        asked.append((path, home, what))
        return even()

    def loaded(_target: str) -> Any:  # noqa: ANN401
        return run_suite

    monkeypatch.setattr(stored, "resolve_name", loaded)

    what = stored.Asked(candidate="rag-answer@3.3.0")

    made = stored.run_or_stored("evals/rag.yaml", terminal.home / ".trimtab", what)

    assert made == even()
    assert asked == [(Path("evals/rag.yaml"), terminal.home / ".trimtab", what)]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        pytest.param(BudgetExhausted("it may cost 7 USD"), 3, id="no money"),
        pytest.param(ProviderTimeout("nobody answers"), 4, id="provider away"),
        pytest.param(OSError("no route"), 4, id="no network"),
        pytest.param(SettingsInvalid("evals/rag.yaml:1: no name"), 2, id="malformed"),
    ],
)
def test_a_suite_that_cannot_be_run_is_told_by_its_exit_code(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    def run_or_stored(*_: object) -> Run:
        raise error

    monkeypatch.setattr("trimtab.cli.evals.verdicts.run_or_stored", run_or_stored)

    done = terminal.run("evals", "gate", "evals/rag.yaml", "--summary", "s.md", code=code)

    assert str(error) in done.stderr
    assert f"`{error}`" in (terminal.home / "s.md").read_text()


def test_a_verdict_stands_though_nobody_keeps_it(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def attach(*_: object) -> str:
        raise OSError("the control store is away")

    monkeypatch.setattr("trimtab.cli.evals.verdicts.attach", attach)

    done = terminal.run("evals", "gate", shelved(terminal, even()), "--summary", "s.md")

    assert "the verdict could not be kept: the control store is away" in done.stderr
    assert (terminal.home / "s.md").read_text().startswith("## PASS")


def test_a_registry_that_cannot_be_read_is_not_asked(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def has_control(_at: Path) -> bool:
        raise OSError("the control store is away")

    monkeypatch.setattr(wiring, "has_control", has_control)

    done = terminal.run("evals", "gate", shelved(terminal, worse()), "--annotate", code=1)

    assert "VERDICT FAIL" in done.stdout


def version(shop: Terminal, number: str) -> dict[str, Any]:
    found: dict[str, Any] = shop.json("prompts", "show", f"rag-answer@{number}")["version"]
    return found


def about(shop: Terminal, made: Run, now_us: int) -> Run:
    """A run of the two published versions that ended just now."""
    one, other = version(shop, "3.2.0"), version(shop, "3.3.0")
    return replace(
        made,
        candidate=replace(CANDIDATE, prompt_hash=other["hash"]),
        baseline=replace(BASELINE, prompt_hash=one["hash"]),
        spent=Spent(started_us=now_us - 9, ended_us=now_us),
    )


def test_a_pass_lets_a_version_onto_a_protected_label(
    shop: Terminal, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "SystemClock", lambda: clock)
    asks = "\nregistry:\n  protected: {staging: {requires: [eval]}}\n"
    (shop.home / "trimtab.yaml").write_text(Path(DEMO).read_text() + asks)
    shop.run("apply", "--reason", "staging is protected")
    promote = ("prompts", "promote", "rag-answer", "3.3.0", "--label", "staging", "--reason", "x")
    refused = shop.run(*promote, code=2)

    shop.run("evals", "gate", shelved(shop, about(shop, worse(), clock.now_us())), code=1)
    failed = shop.run(*promote, code=2)
    good = replace(about(shop, even(), clock.now_us()), run_id="ev_good")
    passed = shop.run("evals", "gate", shelved(shop, good), "--summary", "s.md")
    again = shop.run("evals", "gate", "ev_good")

    assert "eval: none for" in refused.stderr
    assert "eval: what there is failed" in failed.stderr
    assert "evidence: PASS of rag-answer@3.3.0   change " in passed.stdout
    assert "evidence: rag-answer@3.3.0 has this verdict already" in again.stdout
    assert "3.2.0 -> 3.3.0" in shop.run(*promote).stdout
    assert "asks for a `minor` bump" in (shop.home / "s.md").read_text()


def test_a_verdict_on_what_is_not_published_is_no_evidence(shop: Terminal) -> None:
    done = shop.run("evals", "gate", shelved(shop, even()))

    assert "evidence" not in done.stdout


def test_an_annotation_stands_in_the_file_of_the_prompt(shop: Terminal, clock: FrozenClock) -> None:
    made = about(shop, worse(), clock.now_us())

    done = shop.run("evals", "gate", shelved(shop, made), "--annotate", code=1)

    assert f"::error file={FILE},line=1," in done.stdout


def test_a_run_whose_settings_are_broken_is_told(terminal: Terminal) -> None:
    made = run({"exact_match": [1.0]}, settings={"gate": {"alpha": 7}})

    done = terminal.run("evals", "gate", shelved(terminal, made), code=2)

    assert "the settings of run" in done.stderr
