from dataclasses import replace

import msgspec
import pytest
from tests.pipeline.conftest import CHAT, GRANT, SIM, Rig

from trimtab.domain.errors import ModelNotFound
from trimtab.domain.model import Wire
from trimtab.gateway.models import listing
from trimtab.pipeline.handoff import Identified


def identified(*models: str) -> Identified:
    rig = Rig(grant=replace(GRANT, models=frozenset(models)))
    names = ("chat", "dear", "zoo")
    known = {name: msgspec.structs.replace(CHAT, name=name) for name in names}
    rig.snapshot = replace(rig.snapshot, models=known)
    return rig.pipeline.identify(rig.request())


def test_lists_what_the_key_may_call_and_what_is_there() -> None:
    data = listing(identified("zoo", "chat", "gone", "sim/*"), "/v1/models", Wire.OPENAI_CHAT)

    assert msgspec.json.decode(data) == {
        "object": "list",
        "data": [
            {"id": name, "object": "model", "created": 0, "owned_by": SIM.name}
            for name in ("chat", "zoo")
        ],
    }


def test_lists_in_the_other_wire() -> None:
    data = listing(identified("zoo", "chat"), "/v1/models", Wire.ANTHROPIC_MESSAGES)

    listed = msgspec.json.decode(data)
    assert [model["id"] for model in listed["data"]] == ["chat", "zoo"]
    assert (listed["first_id"], listed["last_id"], listed["has_more"]) == ("chat", "zoo", False)
    assert listed["data"][0]["created_at"] == "1970-01-01T00:00:00Z"


def test_a_key_that_may_call_nothing_gets_an_empty_list() -> None:
    data = listing(identified(), "/v1/models", Wire.ANTHROPIC_MESSAGES)

    assert msgspec.json.decode(data) == {
        "data": [],
        "has_more": False,
        "first_id": None,
        "last_id": None,
    }


@pytest.mark.parametrize("name", ["chat", "sim/large", "sim/a/b"])
@pytest.mark.parametrize("wire", list(Wire))
def test_shows_one_model(name: str, wire: Wire) -> None:
    data = listing(identified("chat", "sim/*"), f"/v1/models/{name}", wire)

    assert msgspec.json.decode(data)["id"] == name


@pytest.mark.parametrize("name", ["dear", "nothing", "sim/large", "x" * 10_000])
def test_a_model_of_others_is_as_good_as_none(name: str) -> None:
    with pytest.raises(ModelNotFound) as raised:
        listing(identified("chat"), f"/v1/models/{name}", Wire.OPENAI_CHAT)

    assert len(str(raised.value)) < 400
