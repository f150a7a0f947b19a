"""What others wrote is what its manifest says, with its licence."""

import json
from hashlib import sha256
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = (ROOT / "src/trimtab/console/static/vendor", ROOT / "tests/console/vendor")


@pytest.mark.parametrize("folder", FOLDERS, ids=("shipped", "for tests"))
def test_every_vendored_file_is_listed_with_its_sum_and_licence(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())

    sums = {name: value for entry in manifest.values() for name, value in entry["sha256"].items()}
    there = {path.name: path for path in folder.iterdir() if path.name != "manifest.json"}
    assert sums == {name: sha256(path.read_bytes()).hexdigest() for name, path in there.items()}
    assert all(entry["licence"] and entry["version"] for entry in manifest.values())
    assert all(any(n.endswith("LICENSE") for n in e["sha256"]) for e in manifest.values())
