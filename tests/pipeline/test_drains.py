from collections.abc import Mapping
from dataclasses import replace

import msgspec
import pytest
from tests.pipeline.conftest import DONE, ROLE, SIM, STOP, USAGE, WARM, Rig, streamed

from trimtab.domain.chat import Text
from trimtab.domain.model import OnClientGone
from trimtab.pipeline.drains import Drains
from trimtab.pipeline.transcript import Transcript
from trimtab.testing import RecordingReply, ScriptedAnswer

DRAINED = msgspec.structs.replace(SIM, on_client_gone=OnClientGone.DRAIN)


async def left(drains: Drains) -> tuple[Rig, ScriptedAnswer]:
    """Hang up after the first piece of a stream."""
    answer = streamed(ROLE, WARM, WARM * 5, STOP, USAGE, DONE)
    rig = Rig(answer, provider=DRAINED)
    relay = replace(rig.pipeline.relay, drains=drains)
    rig.pipeline = replace(rig.pipeline, relay=relay)
    await rig.ask(reply=RecordingReply(hang_up_after=1))
    return rig, answer


async def test_what_a_worker_can_afford_is_read_to_its_end_and_charged_exactly() -> None:
    drains = Drains(most=1)

    for _ in range(2):
        rig, _ = await left(drains)
        assert (rig.record.status, rig.record.usage_source) == ("cancelled", "provider")
        assert not rig.finish.attempts[0].cancelled


@pytest.mark.parametrize("most", [{"most": 0}, {"most_tokens": 3}])
async def test_beyond_that_an_answer_is_closed_estimated_and_marked(
    most: Mapping[str, int],
) -> None:
    rig, answer = await left(Drains(**most))

    assert answer.closed
    assert (rig.record.status, rig.record.usage_source) == ("cancelled", "estimated")
    assert rig.finish.attempts[0].cancelled


def test_only_what_is_read_after_the_caller_left_counts() -> None:
    drains, transcript, answer = Drains(most_tokens=10), Transcript(), streamed()
    transcript.absorb(Text((0, 0), "x" * 1000))
    drains.begin(answer, transcript)

    drains.check(answer)
    assert answer in drains

    transcript.absorb(Text((0, 0), "x" * 41))
    drains.check(answer)
    assert answer not in drains
    assert answer.closed
