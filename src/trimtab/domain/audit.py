"""Who read what not everybody may read."""

from enum import StrEnum

from msgspec import Struct

from trimtab.domain.change import Source


class Protected(StrEnum):
    """What is not read unseen: what people wrote, and the list of keys."""

    CONTENT = "content"
    KEYS = "keys"


class Reading(Struct, frozen=True, kw_only=True):
    """One row of the audit: that somebody was about to read something.

    Attributes:
        seq: Its place, given by the store; 0 until then.
        author: Account, `admin-token`, or the system's user who ran a command.
        tenant_id: Whose content; "" for keys.
        request_id: Content of which request; "" for keys.
    """

    ts_us: int
    author: str
    source: Source
    what: Protected
    tenant_id: str = ""
    request_id: str = ""
    seq: int = 0
