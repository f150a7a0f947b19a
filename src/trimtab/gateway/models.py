"""The list of models a key may call, in the shape of either wire."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import msgspec

from trimtab.control.snapshot import Snapshot
from trimtab.domain.errors import ModelNotFound
from trimtab.domain.model import Wire
from trimtab.pipeline.handoff import Identified

# Models have no birthday of ours; both wires want one, so all share the epoch.
_EPOCH_S = 0


def listing(identified: Identified, path: str, wire: Wire) -> bytes:
    """Write `GET /v1/models` or `GET /v1/models/{id}`.

    Raises:
        ModelNotFound: the key may call no model of that name.
    """
    names = sorted(_callable(identified))
    wanted = path.removeprefix("/v1/models").removeprefix("/")
    if wanted:
        if identified.snapshot.model(wanted) is None or not identified.grant.allows(wanted):
            raise ModelNotFound(
                f"model {wanted[:256]!r} is not there for this key; GET /v1/models lists those"
            )
        return msgspec.json.encode(_model(wanted, identified.snapshot, wire))
    data = [_model(name, identified.snapshot, wire) for name in names]
    if wire is Wire.ANTHROPIC_MESSAGES:
        ends = {"first_id": names[0] if names else None, "last_id": names[-1] if names else None}
        return msgspec.json.encode({"data": data, "has_more": False, **ends})
    return msgspec.json.encode({"object": "list", "data": data})


def _callable(identified: Identified) -> Iterable[str]:
    for name in identified.grant.models:
        if not name.endswith("/*") and identified.snapshot.model(name) is not None:
            yield name


def _model(name: str, snapshot: Snapshot, wire: Wire) -> Mapping[str, str | int]:
    if wire is Wire.ANTHROPIC_MESSAGES:
        made = datetime.fromtimestamp(_EPOCH_S, UTC).isoformat().replace("+00:00", "Z")
        return {"type": "model", "id": name, "display_name": name, "created_at": made}
    model = snapshot.model(name)
    owner = model.to.provider if model else ""
    return {"id": name, "object": "model", "created": _EPOCH_S, "owned_by": owner}
