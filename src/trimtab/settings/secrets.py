"""Secrets are references in files and opaque in memory.

A file says `env:NAME` or `file:PATH`; the value is read when it is used, and nothing but
`Secret.reveal` gives it out.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from trimtab.domain.errors import SettingsInvalid

NO_SECRET = "none"  # noqa: S105 -- not one: the word for `needs no credential`
REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:.+")

_LOOKS_SECRET = re.compile(
    r"""
      \bsk-[A-Za-z0-9_-]{16,}                 # OpenAI, Anthropic and many that copied them
    | \btt_[a-z]{2,8}_[a-z0-9]{12}_[0-9A-Za-z]{43}
    | \b(?:AKIA|ASIA)[0-9A-Z]{16}\b           # AWS
    | \bgh[pousr]_[A-Za-z0-9]{30,}            # GitHub
    | \bgithub_pat_\w{30,}
    | \bglpat-[\w-]{20,}                      # GitLab
    | \bAIza[\w-]{30,}                        # Google
    | \bya29\.[\w-]{20,}
    | \bhf_[A-Za-z0-9]{30,}                   # Hugging Face
    | \bxox[abprs]-[\w-]{10,}                 # Slack
    | \bhc[abi][iko]k_[a-z0-9]{20,}           # Honeycomb
    | \bey[JK][\w-]{10,}\.[\w-]{10,}\.[\w-]*  # JSON web token
    | -----BEGIN[ ][A-Z ]*PRIVATE[ ]KEY-----
    | ^(?:Bearer|Basic)[ ]+\S{8,}
    | ://[^/\s:@]*:[^/\s@]+@                  # password in a URL
    """,
    re.VERBOSE,
)


class Secret:
    """A value that shows itself to nobody who does not ask for it by name."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Give the value, for the header it goes into."""
        return self._value

    def __str__(self) -> str:
        return "***"

    def __repr__(self) -> str:
        return "Secret(***)"

    def __format__(self, _spec: str) -> str:
        return "***"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written anywhere; keep its reference")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other.reveal()

    def __hash__(self) -> int:
        return hash(self._value)


def resolve(reference: str, environ: Mapping[str, str]) -> Secret:
    """Read the secret a reference names. Blanks around it are cut off: files end in a newline.

    Raises:
        SettingsInvalid: there is nothing there. The message names the reference alone.
    """
    kind, _, place = reference.partition(":")
    if kind == "env" and place:
        value = environ.get(place, "").strip()
        if not value:
            raise SettingsInvalid(
                f"environment variable {place!r} is not set; export it or change the reference"
            )
        return Secret(value)
    if kind == "file" and place:
        return Secret(_read(Path(place)))
    raise SettingsInvalid("a secret must be a reference; write env:NAME or file:PATH")


def looks_secret(text: str) -> bool:
    """Whether a text has the form of a credential, and so has no place in a file."""
    return _LOOKS_SECRET.search(text) is not None


def _read(path: Path) -> str:
    try:
        value = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise SettingsInvalid(
            f"secret file '{path}' cannot be read; make it readable or change the reference"
        ) from exc
    if not value:
        raise SettingsInvalid(f"secret file '{path}' is empty; write the secret into it")
    return value
