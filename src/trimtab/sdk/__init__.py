"""The registry in applications: prompts by name, always there, never older than they say.

Typed wrappers are in `trimtab.sdk.prompts`, which needs pydantic; everything here does not.
"""

from trimtab.sdk.client import Prompts
from trimtab.sdk.default import configure, disconnect, fetch, render
from trimtab.sdk.lock import Lock, read_lock, write_lock
from trimtab.sdk.prompt import Prompt, Source

__all__ = [
    "Lock",
    "Prompt",
    "Prompts",
    "Source",
    "configure",
    "disconnect",
    "fetch",
    "read_lock",
    "render",
    "write_lock",
]
