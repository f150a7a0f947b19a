"""Prompts for tests: versions from short files, and registries of them."""

from collections.abc import Mapping

from trimtab.control.prompts import Pointed, Prompts
from trimtab.domain.change import Change, Pointer, PointerKind, Source
from trimtab.domain.prompt import Label, PromptVersion, RegistryPolicy, Yank
from trimtab.registry.format import read_file

SEED = """\
name: rag-answer
version: 3.2.0
description: Answer a user question using only the provided context. Always cite.
owner: search-team
model_hint: claude-sonnet-4-6
required_vars: [question, context]
optional_vars: [persona]
template: |
  You are a $persona. Use ONLY the context below to answer the user's question.
  If the context does not contain the answer, say so. Cite passages as [doc-id].

  CONTEXT:
  $context

  QUESTION:
  $question
"""
CHAT = """\
name: triage
version: 1.0.0
description: Sort tickets.
owner: support
variables:
  ticket: {type: string, x-trust: user}
messages:
  - {role: system, content: You sort tickets.}
  - {placeholder: history}
  - {role: user, content: "Ticket: $ticket"}
"""


def version(text: str = SEED, **changes: str) -> PromptVersion:
    """Publish a file, with some of its lines changed: `version="3.3.0"`."""
    for member, value in changes.items():
        lines = [
            f"{member}: {value}" if it.startswith(f"{member}:") else it for it in text.split("\n")
        ]
        text = "\n".join(lines)
    file = read_file(text, "test.prompt.yaml")
    return file.published_as(file.content)


def moved(place: str, seq: int = 1, **members: object) -> Change:
    """Make the change that moved a label."""
    made: dict[str, object] = {
        "change_id": f"c_{seq}",
        "ts_us": 0,
        "before": None,
        "after": b"{}",
        "author": "ana",
        "source": Source.CLI,
        "reason": "because",
        "prev_hash": "",
        "hash": "",
    }
    return Change(seq=seq, pointer=Pointer(PointerKind.LABEL, place), **(made | members))  # pyright: ignore[reportArgumentType]


def registry(
    *versions: PromptVersion,
    labels: Mapping[str, str] | None = None,
    yanked: Mapping[str, Yank] | None = None,
    policy: RegistryPolicy | None = None,
    tiers: Mapping[str, str] | None = None,
) -> Prompts:
    """Make a registry; labels are as `{"rag-answer/production/default": "3.2.0"}`."""
    by_name: dict[str, dict[str, PromptVersion]] = {}
    for it in versions:
        by_name.setdefault(it.name, {})[it.version] = it
    pointed: dict[str, dict[str, dict[str, Pointed]]] = {}
    for seq, (place, number) in enumerate((labels or {}).items(), 1):
        name, label, scope = place.split("/")
        at = Pointed(Label(version=number), moved(place, seq))
        pointed.setdefault(name, {}).setdefault(label, {})[scope] = at
    return Prompts(
        policy=policy or RegistryPolicy(),
        versions=by_name,
        published={it.ref: moved(it.ref) for it in versions},
        labels=pointed,
        yanked=yanked or {},
        tiers=tiers or {},
    )
