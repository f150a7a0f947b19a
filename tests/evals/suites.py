"""A suite in a folder, as short as a test needs it."""

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from trimtab.evals.manifest import read_suite
from trimtab.evals.suite import Suite

HEAD = "schema: 1\nname: rag-golden\ncases: [cases.jsonl]\n"


def row(number: int, **members: Any) -> dict[str, Any]:  # noqa: ANN401
    """A case that is like no other."""
    question = f"What of {sha256(str(number).encode()).hexdigest()}?"
    return {"id": f"q-{number}", "input": {"question": question}, "expected": "Yes"} | members


def written(folder: Path, body: str = "", rows: Sequence[dict[str, Any]] = ()) -> Path:
    """Write a suite, and give its manifest."""
    text = "\n".join(map(json.dumps, rows or [row(0)]))
    (folder / "cases.jsonl").write_text(text)
    path = folder / "suite.yaml"
    path.write_text(HEAD + body)
    return path


def suite_of(folder: Path, body: str = "", rows: Sequence[dict[str, Any]] = ()) -> Suite:
    """Write a suite and read it."""
    return read_suite(written(folder, body, rows))
