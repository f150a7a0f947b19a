"""The environment and the process of ragas, with a program in its place that does as it is told."""

import asyncio
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from trimtab.domain.errors import UpstreamFailed
from trimtab.wiring.ragas import FOLDER, LOG, RagasProcess, install, installed

ECHO = """
import json, os, sys
print("of no concern", file=sys.stderr)
for line in sys.stdin:
    told = json.loads(line)
    if told.get("metric") == "die":
        sys.exit(3)
    if told.get("metric") == "garble":
        print("no JSON", flush=True)
    elif "gone" in told:
        print(line.strip(), file=sys.stderr, flush=True)
    elif told.get("metric") == "environment":
        print(json.dumps({"id": told["id"], "failed": json.dumps(dict(os.environ))}), flush=True)
    elif "metric" in told:
        print(json.dumps({"id": told["id"], "prompt": told["metric"] * 40_000}), flush=True)
    else:
        print(json.dumps({"id": told["id"], "value": told["said"]}), flush=True)
"""


def scripted(home: Path, program: str = ECHO) -> RagasProcess:
    """Put a program in the place of the environment of ragas."""
    folder = home / FOLDER
    (folder / "bin").mkdir(parents=True)
    (folder / "program.py").write_text(program)
    python = folder / "bin" / "python"
    python.write_text(f"#!/bin/sh\nexec {sys.executable} {folder / 'program.py'}\n")
    python.chmod(0o700)
    requirements = files("trimtab.evals") / "ragas.requirements.txt"
    (folder / "installed.txt").write_text(requirements.read_text())
    found = installed(home)
    assert found is not None
    return found


async def score(ragas: RagasProcess, word: str, said: float) -> tuple[str, float | None]:
    async with ragas.dialogue() as dialogue:
        await dialogue.tell(metric=word)
        heard = await dialogue.hear()
        await dialogue.tell(said=said)
        return heard.prompt, (await dialogue.hear()).value


async def test_many_scores_share_one_process(tmp_path: Path) -> None:
    async with scripted(tmp_path) as ragas:
        found = await asyncio.gather(*(score(ragas, w, n) for n, w in enumerate("abcdefgh")))

    assert found == [(word * 40_000, number) for number, word in enumerate("abcdefgh")]
    assert (tmp_path / FOLDER / LOG).read_text().count("of no concern") == 1


@pytest.mark.parametrize("word", ["die", "garble"])
async def test_the_end_of_the_process_ends_every_score(tmp_path: Path, word: str) -> None:
    async with scripted(tmp_path) as ragas, ragas.dialogue() as one, ragas.dialogue() as other:
        await one.tell(metric=word)
        heard = [await one.hear(), await other.hear()]
        await one.tell(said=1)
        async with ragas.dialogue() as late:
            heard.append(await late.hear())

    assert all(f"look at '{tmp_path / FOLDER / LOG}'" in (it.failed or "") for it in heard)


async def test_a_score_that_is_given_up_is_told(tmp_path: Path) -> None:
    async with scripted(tmp_path) as ragas:
        with pytest.raises(KeyError):
            async with ragas.dialogue():
                raise KeyError
        await score(ragas, "a", 1)

    assert '{"id":1,"gone":true}' in (tmp_path / FOLDER / LOG).read_text()


async def test_it_is_told_not_to_report_to_anybody_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "tt_secret")
    async with scripted(tmp_path) as ragas, ragas.dialogue() as dialogue:
        await dialogue.tell(metric="environment")
        told = (await dialogue.hear()).failed or ""

    assert '"RAGAS_DO_NOT_TRACK": "true"' in told
    assert "SOME_API_KEY" not in told


def test_what_is_not_there_or_of_another_version_is_not_used(tmp_path: Path) -> None:
    assert installed(tmp_path) is None

    scripted(tmp_path)
    (tmp_path / FOLDER / "installed.txt").write_text("ragas==0.3.0\n")

    assert installed(tmp_path) is None


def test_what_cannot_be_built_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(tmp_path)
    monkeypatch.setattr(sys, "executable", "/bin/false")

    with pytest.raises(UpstreamFailed, match=r"cannot be built .*; look at the package index"):
        install(tmp_path / FOLDER)

    assert not (tmp_path / FOLDER).exists()
