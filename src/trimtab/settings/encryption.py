"""The section `content_encryption` of the file: under which master key content is sealed."""

from base64 import b64decode
from functools import partial

from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.yaml_tree import Faults, Node
from trimtab.settings.fields import members, reference

KEY_BYTES = 32


def read_encryption(node: Node, faults: Faults) -> str | None:
    """Read the reference to the master key."""
    given = members(node, faults, {"master_key": reference}, frozenset({"master_key"})) or {}
    return given.get("master_key")


def read_master_key(text: str) -> bytes:
    """Give the bytes of a master key.

    Raises:
        SettingsInvalid: it is none. It is not repeated.
    """
    for decode in (bytes.fromhex, partial(b64decode, validate=True)):
        try:
            key = decode(text)
        except ValueError:
            continue
        if len(key) == KEY_BYTES:
            return key
    raise SettingsInvalid(
        f"a master key is {KEY_BYTES} random bytes in base64 or hex; make one with"
        " `openssl rand -base64 32`"
    )
