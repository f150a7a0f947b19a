"""Upstream bodies: the caller's members with their very bytes, but for the few that we may edit."""

from collections.abc import Mapping

import msgspec
from msgspec import Raw

_encoder = msgspec.json.Encoder()
_NOTHING: Mapping[str, object] = {}


def for_target(
    members: Mapping[str, Raw], model: str, more: Mapping[str, object] = _NOTHING
) -> bytes:
    """Build a body that names the target's model, without the member that is ours alone."""
    edited: dict[str, object] = {**members, "model": model, **more}
    edited.pop("trimtab", None)
    return _encoder.encode(edited)
