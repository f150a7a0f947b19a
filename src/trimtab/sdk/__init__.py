"""The registry in applications: prompts by name, always there, never older than they say.

Typed wrappers are in `trimtab.sdk.prompts`, which needs pydantic; everything here does not.
"""

from trimtab.domain.evaluation import Evaluation, evaluation
from trimtab.sdk.client import Prompts
from trimtab.sdk.default import configure, disconnect, fetch, render
from trimtab.sdk.lock import Lock, read_lock, write_lock
from trimtab.sdk.prompt import Prompt, Source

__all__ = [
    "Evaluation",
    "Lock",
    "Prompt",
    "Prompts",
    "Source",
    "configure",
    "disconnect",
    "evaluation",
    "fetch",
    "read_lock",
    "render",
    "write_lock",
]
