from collections.abc import Callable

import pytest
from tests.pipeline.conftest import CHAT, CHAT_ADAPTER, SIM, Rig

from trimtab.domain.errors import (
    ContentBlocked,
    Draining,
    ProviderRefused,
    RateLimited,
    RecorderUnavailable,
    StreamTruncated,
    TrimtabError,
)
from trimtab.domain.record import Status
from trimtab.pipeline.handoff import Route
from trimtab.pipeline.journey import Journey, Try
from trimtab.pipeline.outcome import status_of


def nothing(_: Journey) -> None:
    pass


def called(journey: Journey) -> None:
    sent = Try(
        n=1, route=Route(CHAT.to, SIM, CHAT_ADAPTER), started_s=0, sent_hash="", input_floor=50
    )
    journey.tries.append(sent)


def committed(journey: Journey) -> None:
    called(journey)
    journey.committed = True


def gone(journey: Journey) -> None:
    committed(journey)
    journey.gone = True


@pytest.mark.parametrize(
    ("before", "failure", "status"),
    [
        (committed, None, Status.OK),
        (gone, None, Status.CANCELLED),
        (nothing, ContentBlocked("no"), Status.BLOCKED),
        (committed, ContentBlocked("no"), Status.BLOCKED),
        (nothing, RateLimited("slow"), Status.REJECTED),
        (nothing, RecorderUnavailable("full"), Status.REJECTED),
        (called, RecorderUnavailable("full"), Status.ERROR),
        (called, Draining("bye"), Status.ERROR),
        (committed, Draining("bye"), Status.TRUNCATED),
        (called, ProviderRefused("no", status=400), Status.ERROR),
        (committed, StreamTruncated("cut"), Status.TRUNCATED),
        (nothing, TrimtabError("bug"), Status.ERROR),
    ],
)
def test_names_how_a_request_ended(
    before: Callable[[Journey], None], failure: TrimtabError | None, status: Status
) -> None:
    rig = Rig()
    journey = Journey(rig.request(), rig.clock)
    before(journey)

    assert status_of(journey, failure) is status
