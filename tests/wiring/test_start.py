import os
from pathlib import Path

import pytest

from trimtab.domain.errors import SettingsInvalid
from trimtab.settings import DEMO, load
from trimtab.wiring.start import LOCK, announce, announced, as_run, hold


def url(home: Path) -> str:
    """Tell where the demo's provider is, as a command on a state directory sees it."""
    return as_run(home, load(DEMO, {})).providers["sim"].url


def test_what_a_running_up_chose_by_itself_lies_over_the_file(tmp_path: Path) -> None:
    assert url(tmp_path) == "http://127.0.0.1:9000"

    held = hold(tmp_path)
    assert url(tmp_path) == "http://127.0.0.1:9000"
    (tmp_path / LOCK).write_text(
        '{"sim": "http://127.0.0.1:9876", "smollm2": "http://127.0.0.1:1"}'
    )

    assert url(tmp_path) == "http://127.0.0.1:9876"
    assert "smollm2" in as_run(tmp_path, load(DEMO, {})).models
    os.close(held)
    assert url(tmp_path) == "http://127.0.0.1:9000"


def test_the_next_up_begins_with_nothing_of_the_one_before(tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text('{"sim": "http://127.0.0.1:9876"}')

    held = hold(tmp_path)

    assert url(tmp_path) == "http://127.0.0.1:9000"
    with pytest.raises(SettingsInvalid, match="runs on"):
        hold(tmp_path)
    os.close(held)


def test_the_gateway_of_a_running_up_is_found_and_of_none_else(tmp_path: Path) -> None:
    nothing = announced(tmp_path)
    held = hold(tmp_path)
    early = announced(tmp_path)
    announce(tmp_path, "http://127.0.0.1:8080")
    running = announced(tmp_path)
    os.close(held)
    ended = announced(tmp_path)
    os.close(hold(tmp_path))

    assert (nothing, early, running, ended) == (None, None, "http://127.0.0.1:8080", None)
    assert not (tmp_path / "up.url").exists()
