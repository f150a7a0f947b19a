"""How webhooks are signed: Standard Webhooks 1.0, symmetric (https://www.standardwebhooks.com)."""

from base64 import b64decode, b64encode
from hmac import digest

from trimtab.domain.errors import SettingsInvalid

LEAST_BYTES = 24

_PREFIX = "whsec_"


def read_secret(text: str) -> bytes:
    """Read `whsec_` and base64.

    Raises:
        SettingsInvalid: it is not that, or too short to be one. The message never repeats it.
    """
    encoded = text.removeprefix(_PREFIX)
    try:
        # Some leave out the padding.
        secret = b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        secret = b""
    if not text.startswith(_PREFIX) or len(secret) < LEAST_BYTES:
        raise SettingsInvalid(
            "that is no secret of a webhook; make one with"
            f" `echo {_PREFIX}$(openssl rand -base64 32)`"
        )
    return secret


def signature(secret: bytes, message_id: str, timestamp_s: int, body: bytes) -> str:
    """Sign one try at telling a message; the timestamp is that of the try."""
    signed = b"%b.%d.%b" % (message_id.encode(), timestamp_s, body)
    return f"v1,{b64encode(digest(secret, signed, 'sha256')).decode()}"
