from dataclasses import dataclass

from tests.pipeline.conftest import CHAT, CHAT_ADAPTER, SIM, Rig, good_stream

from trimtab.domain.chat import Text
from trimtab.domain.verdict import Decision, Finding
from trimtab.pipeline.call import Answered
from trimtab.pipeline.handoff import Planned, Route
from trimtab.pipeline.journey import Try
from trimtab.pipeline.screen import ScreenInput, ScreenOutput
from trimtab.testing import ScriptedAnswer

CARD = Finding(guard="cards", kind="card_number", start=4, end=20)
NAME = Finding(guard="names", kind="person", start=0, end=3)


@dataclass(frozen=True)
class Finds:
    finding: Finding

    async def check(self, planned: Planned) -> tuple[Finding, ...]:
        assert planned.routes
        return (self.finding,)


def planned(rig: Rig) -> Planned:
    return rig.pipeline.plan(rig.pipeline.admit(rig.pipeline.identify(rig.request())))


async def test_without_guards_everything_is_allowed() -> None:
    screened = await ScreenInput()(planned(Rig()))

    assert (screened.decision, screened.findings) == (Decision.ALLOW, ())


async def test_gathers_what_every_guard_finds_in_their_order() -> None:
    screened = await ScreenInput([Finds(NAME), Finds(CARD)])(planned(Rig()))

    assert screened.findings == (NAME, CARD)


async def test_a_guard_that_only_finds_stops_nothing() -> None:
    rig = Rig(good_stream(), guards=[Finds(CARD)])

    reply = await rig.ask()

    assert reply.error is None
    assert rig.record.guardrail_decision == "allow"


@dataclass(frozen=True)
class Hears:
    """Finds a card in what an answer says first."""

    async def check(self, answered: Answered) -> tuple[Finding, ...]:
        return (CARD,) if answered.attempt.transcript.output_chars else ()


async def test_an_answer_is_seen_by_the_guards_before_it_is_relayed() -> None:
    route = Route(CHAT.to, SIM, CHAT_ADAPTER)
    attempt = Try(n=1, route=route, started_s=0, sent_hash="", input_floor=50)
    attempt.transcript.absorb(Text((0, 0), "4111 1111"))
    answered = Answered(attempt, ScriptedAnswer(()))

    checked = await ScreenOutput([Hears()])(answered)

    assert checked.answered is answered
    assert checked.findings == (CARD,)
    assert (await ScreenOutput()(answered)).findings == ()
