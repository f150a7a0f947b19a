"""Families of models: a judge is kind to its own."""

import re
from collections.abc import Iterable

_LETTERS = re.compile(r"[a-z]+")
_VENDORS = re.compile(r"^(?:[a-z]+\.)+")  # as in `us.anthropic.claude-...`
_SAME = {"o": "gpt", "chatgpt": "gpt", "gemma": "gemini", "mixtral": "mistral", "qwq": "qwen"}


def family(model: str) -> str:
    """Name the family of a model by the first word of its name; "" if it has none."""
    name = _VENDORS.sub("", model.lower().rpartition("/")[2])
    word = _LETTERS.match(name)
    return _SAME.get(word[0], word[0]) if word else ""


def same_family(judge: str, candidates: Iterable[str]) -> str | None:
    """Warn of a judge that judges its own family; `None` if it does not."""
    kin = sorted(it for it in set(candidates) if family(it) and family(it) == family(judge))
    if not kin:
        return None
    return f"judge '{judge}' is of the family of '{kin[0]}'; a judge of another is less partial"
