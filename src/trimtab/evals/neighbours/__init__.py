"""Eval sets of other tools, one module each. Nothing is dropped silently: see `base`."""

from pkgutil import resolve_name

from trimtab.evals.neighbours.base import Adapter

FORMATS = {
    "langsmith": "trimtab.evals.neighbours.langsmith:ADAPTER",
    "openai-evals": "trimtab.evals.neighbours.openai_evals:ADAPTER",
    "promptfoo": "trimtab.evals.neighbours.promptfoo:ADAPTER",
    "pydantic-evals": "trimtab.evals.neighbours.pydantic_evals:ADAPTER",
    "ragas": "trimtab.evals.neighbours.ragas:ADAPTER",
    "ragas-csv": "trimtab.evals.neighbours.ragas:CSV_ADAPTER",
}
"""Where the adapter of each format is."""


def adapter(name: str) -> Adapter:
    """Load the adapter of a format that there is."""
    found: Adapter = resolve_name(FORMATS[name])
    return found
