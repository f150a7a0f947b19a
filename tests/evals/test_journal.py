import asyncio
import os
from pathlib import Path

import pytest

from trimtab.domain.errors import SettingsInvalid
from trimtab.evals.journal import Answered, Head, Journal, Judged, Scored
from trimtab.evals.metrics.base import scored
from trimtab.evals.result import Arm, Sample, Subject

HEAD = Head(run_id="ev_1", file="s.yaml", suite_hash="x", candidate=Subject(name="a@1.0.0"))
LINES = (
    HEAD,
    Answered(Sample(case="q", arm=Arm.CANDIDATE, index=0, text="Yes\u2028\n", cost_nano=3)),
    Scored(case="q", arm=Arm.CANDIDATE, index=0, metric="exact_match", score=scored(1)),
    Judged(7),
    Judged(None),
)


async def test_lines_are_read_as_they_were_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "ev_1")
    for it in LINES:
        journal.append(it)
    journal.close()

    again = Journal(tmp_path, "ev_1")

    assert again.lines() == LINES
    assert (tmp_path / "ev_1.jsonl").stat().st_mode & 0o077 == 0
    again.close()


async def test_a_line_that_was_cut_short_is_cut_off(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "ev_1")
    for it in LINES:
        journal.append(it)
    journal.close()
    whole = (tmp_path / "ev_1.jsonl").read_bytes()
    ends = [at + 1 for at, byte in enumerate(whole) if byte == 10]

    for cut in range(len(whole) + 1):
        (tmp_path / "ev_1.jsonl").write_bytes(whole[:cut])
        again = Journal(tmp_path, "ev_1")
        kept = sum(it <= cut for it in ends)
        assert again.lines() == LINES[:kept]
        again.append(Judged(1))
        assert again.lines() == (*LINES[:kept], Judged(1))
        again.close()


async def test_a_run_is_written_by_one_alone_and_others_are_not_disturbed(tmp_path: Path) -> None:
    one, other = Journal(tmp_path, "ev_1"), Journal(tmp_path, "ev_2")

    with pytest.raises(SettingsInvalid, match="'ev_1' is going on elsewhere"):
        Journal(tmp_path, "ev_1")
    one.close()
    Journal(tmp_path, "ev_1").close()
    other.close()


async def test_another_line_is_no_journal_of_this_version(tmp_path: Path) -> None:
    (tmp_path / "ev_1.jsonl").write_text('{"type": "other"}\n')
    journal = Journal(tmp_path, "ev_1")

    with pytest.raises(SettingsInvalid, match="no journal of this version"):
        journal.lines()
    journal.close()


async def test_the_disk_has_a_line_within_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, real = list[int](), os.fsync

    def fsync(file: int) -> None:
        synced.append(file)
        real(file)

    monkeypatch.setattr("trimtab.evals.journal.SYNC_S", 0.01)
    monkeypatch.setattr(os, "fsync", fsync)
    journal = Journal(tmp_path, "ev_1")
    journal.append(HEAD)
    journal.append(Judged(1))
    at_once = len(synced)
    await asyncio.sleep(0.1)

    assert (at_once, len(synced)) == (0, 1)
    journal.close()
    journal.close()
    assert len(synced) == 2


async def test_a_run_that_is_kept_elsewhere_leaves_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "ev_1")
    journal.append(HEAD)

    journal.remove()

    assert not journal.path.exists()
