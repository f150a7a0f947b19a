"""Trimtab in applications: prompts by name, and telling what an app does around its calls.

`init` instruments an app; it needs `trimtab[sdk]`, prompts do not. Typed wrappers of prompts are in
`trimtab.sdk.prompts`, which needs that, too.
"""

from trimtab.domain.evaluation import Evaluation, evaluation
from trimtab.sdk.client import Prompts
from trimtab.sdk.clients import anthropic, async_anthropic, async_openai, openai
from trimtab.sdk.contexts import context
from trimtab.sdk.default import configure, disconnect, fetch, render
from trimtab.sdk.lock import Lock, read_lock, write_lock
from trimtab.sdk.opinions import annotate, clicked, feedback
from trimtab.sdk.prompt import Prompt, Source
from trimtab.sdk.steps import Found, retrieval, tool
from trimtab.sdk.telemetry import flush, init

__all__ = [
    "Evaluation",
    "Found",
    "Lock",
    "Prompt",
    "Prompts",
    "Source",
    "annotate",
    "anthropic",
    "async_anthropic",
    "async_openai",
    "clicked",
    "configure",
    "context",
    "disconnect",
    "evaluation",
    "feedback",
    "fetch",
    "flush",
    "init",
    "openai",
    "read_lock",
    "render",
    "retrieval",
    "tool",
    "write_lock",
]
