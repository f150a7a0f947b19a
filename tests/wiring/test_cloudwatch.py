import json
import sys
from pathlib import Path

import pytest
from tests.telemetry.test_cloudwatch import at

from trimtab.domain.errors import SettingsInvalid
from trimtab.settings import CloudWatchMode, CloudWatchSettings
from trimtab.telemetry.metrics import Samples
from trimtab.testing import FrozenClock
from trimtab.wiring.cloudwatch import cloudwatch_jobs


async def grown(asked: list[int]) -> Samples:
    asked.append(len(asked))
    return at(10 * len(asked))


def settings(**members: object) -> CloudWatchSettings:
    return CloudWatchSettings(**{"mode": CloudWatchMode.EMF, **members})  # pyright: ignore[reportArgumentType]


async def test_documents_are_appended_to_a_file_that_may_be_moved_away(tmp_path: Path) -> None:
    asked: list[int] = []
    file = tmp_path / "emf.log"
    [job] = cloudwatch_jobs(settings(file=file), lambda: grown(asked), FrozenClock())

    for _ in range(2):
        await job.run()
    file.rename(tmp_path / "emf.log.1")
    await job.run()

    for path in (file, tmp_path / "emf.log.1"):
        first = json.loads(path.read_text().splitlines()[0])
        assert first["Requests"] == 40


def test_without_the_section_there_is_no_job() -> None:
    assert cloudwatch_jobs(None, lambda: grown([]), FrozenClock()) == []


def test_a_library_that_is_missing_is_told_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    wanted = settings(mode=CloudWatchMode.PUT_METRIC_DATA, region="eu-central-1")

    with pytest.raises(SettingsInvalid, match=r"trimtab\[cloudwatch\]"):
        cloudwatch_jobs(wanted, lambda: grown([]), FrozenClock())
