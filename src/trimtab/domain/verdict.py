"""What guards found in a text, and what policy made of it."""

from enum import StrEnum

from msgspec import Struct


class Decision(StrEnum):
    """The action taken, from the weakest to the strongest."""

    ALLOW = "allow"
    FLAG = "flag"
    REDACT = "redact"
    PSEUDONYMISE = "pseudonymise"
    REWRITE = "rewrite"
    BLOCK = "block"


class Finding(Struct, frozen=True, kw_only=True):
    """Where a text holds something a policy may act on. Never holds the text itself.

    Attributes:
        kind: Stable name of what was found, for example `card_number`.
        start: Offset of its first code point, counted from 0.
        end: Offset one past its last code point.
    """

    guard: str
    kind: str
    start: int
    end: int
