from collections.abc import Callable
from pathlib import Path

import pytest

from trimtab.domain.errors import SettingsInvalid
from trimtab.registry.adapters import adapter

DATA = Path(__file__).parent / "data"

EXAMPLES = {
    "langsmith.json": "langsmith",
    "langfuse.json": "langfuse",
    "mlflow.json": "mlflow",
    "basic.prompty": "prompty",
    "plain.prompty": "prompty",
    "greeting.prompt": "dotprompt",
}
"""Made after the vendors' own examples; the format of each."""

Faults = Callable[[str, str], str]


@pytest.fixture
def faults() -> Faults:
    """Give what a reader says against a document."""

    def said(name: str, text: str) -> str:
        with pytest.raises(SettingsInvalid) as refused:
            adapter(name).read(text, "doc")
        return str(refused.value)

    return said


def example(name: str) -> str:
    return (DATA / name).read_text()
