from contextlib import closing
from pathlib import Path

from tests.records import DAY_US
from tests.telemetry.shapes import TS_US

from trimtab.domain.record import Blob
from trimtab.store.base.recording import StoredBlob
from trimtab.store.sqlite.content import MAX_OPEN_DAYS, ContentReader, ContentWriter, day_file

REF = b"m" * 32
# A manifest of one piece: `text`.
MANIFEST = Blob(REF, "raw", b"\x91\x92\xc2\xc4\x04text")


def test_every_utc_day_has_a_file(tmp_path: Path) -> None:
    midnight_us = TS_US - TS_US % DAY_US

    assert day_file(tmp_path, midnight_us).name == "20260425.db"
    assert day_file(tmp_path, midnight_us + DAY_US - 1).name == "20260425.db"
    assert day_file(tmp_path, midnight_us + DAY_US).name == "20260426.db"


def test_content_is_kept_by_the_day_of_its_request(tmp_path: Path) -> None:
    with closing(ContentWriter(tmp_path)) as writer:
        writer.put(
            [StoredBlob("acme", TS_US, MANIFEST), StoredBlob("acme", TS_US + DAY_US, MANIFEST)]
        )
    reader = ContentReader(tmp_path)
    assert reader.get("acme", TS_US, REF) == b"text"

    day_file(tmp_path, TS_US).unlink()

    assert reader.get("acme", TS_US, REF) is None
    assert reader.get("acme", TS_US + DAY_US, REF) == b"text"
    assert reader.get("acme", TS_US + 2 * DAY_US, REF) is None


def test_a_piece_that_is_there_stays(tmp_path: Path) -> None:
    with closing(ContentWriter(tmp_path)) as writer:
        for data in (MANIFEST.data, b"\x90"):
            writer.put([StoredBlob("acme", TS_US, Blob(REF, "raw", data))])

    assert ContentReader(tmp_path).get("acme", TS_US, REF) == b"text"


def test_a_day_that_comes_after_it_was_asked_for_is_seen(tmp_path: Path) -> None:
    reader = ContentReader(tmp_path)
    assert reader.get("acme", TS_US, REF) is None

    with closing(ContentWriter(tmp_path)) as writer:
        writer.put([StoredBlob("acme", TS_US, MANIFEST)])

    assert reader.get("acme", TS_US, REF) == b"text"


def test_many_days_are_written_with_few_files_open(tmp_path: Path) -> None:
    days = range(2 * MAX_OPEN_DAYS + 1)
    with closing(ContentWriter(tmp_path)) as writer:
        writer.put([StoredBlob("acme", TS_US + day * DAY_US, MANIFEST) for day in days])
        opened = {str(it.readlink()) for it in Path("/proc/self/fd").iterdir() if it.exists()}
        ours = [it for it in opened if it.startswith(str(tmp_path)) and it.endswith(".db")]
        assert 0 < len(ours) <= MAX_OPEN_DAYS
        writer.put([StoredBlob("globex", TS_US, MANIFEST)])

    reader = ContentReader(tmp_path)
    assert all(reader.get("acme", TS_US + day * DAY_US, REF) == b"text" for day in days)
    assert reader.get("globex", TS_US, REF) == b"text"
