import pytest
from msgspec.structs import replace
from tests.control.conftest import ACME, BY, WHO, WHY, having, pointer, small_company
from tests.prompts import version
from tests.records import finish
from tests.telemetry.shapes import attempt

from trimtab.control.breakers import Breakers
from trimtab.control.changes import Control
from trimtab.control.models import By
from trimtab.control.snapshot import State
from trimtab.control.switches import Switches
from trimtab.domain.change import Source
from trimtab.domain.ids import KeyId
from trimtab.domain.model import Fallback, Model, ModelKind, Share, Target
from trimtab.domain.prompt import Label
from trimtab.domain.record import Attempt, Detail, PromptUse, StageTime
from trimtab.domain.suspension import Scope, ScopeKind, Suspension
from trimtab.domain.tenant import Key
from trimtab.incidents.explain import explain
from trimtab.store.base.recording import StoredRecord
from trimtab.store.memory.control import MemoryChangeLog
from trimtab.testing import FrozenClock, seeded_entropy

KEY = Key(id=KeyId("7hq2m9xkd4wp"), name="app", tenant=ACME, sha256="00", models=("chat",))
SMALL = Model(name="small", kind=ModelKind.ALIAS, to=Target("sim", "small"))
BACKED = Model(
    name="chat",
    kind=ModelKind.ALIAS,
    to=Target("sim", "large"),
    shares=(Share(Target("sim", "large"), 9), Share(Target("sim", "twin"), 1)),
    fallback=Fallback(when_error=("sim/other", "small"), when_refused=("small",)),
)


@pytest.fixture
async def control() -> Control:
    """A company whose model was moved by hand, and moved again since."""
    control = Control(MemoryChangeLog(), FrozenClock(), seeded_entropy())
    filed = having(having(small_company(), "model/small", SMALL), f"key/{KEY.id}", KEY)
    await control.apply_file(filed, **BY)
    await control.move(pointer("model/chat"), BACKED, **WHO, reason="Q4 model")
    await control.move(pointer("model/chat"), replace(BACKED, shares=()), **WHY)
    return control


@pytest.fixture
async def state(control: Control) -> State:
    seq = (await control.snapshot()).config_seq - 1
    return await control.state_at(seq)


def stored(
    *attempts: Attempt, stages: int = 6, detail: Detail | None = None, **fields: object
) -> StoredRecord:
    made = finish(7, day_local="", tenant_id=ACME, key_id=KEY.id, model_requested="chat", **fields)
    passed = ("admit", "plan", "screen_input", "fund", "call", "settle")[:stages]
    times = tuple(StageTime(stage, number * 100, 100) for number, stage in enumerate(passed))
    return StoredRecord(
        record=made.record,
        detail=replace(detail or Detail(), stages=times),
        attempts=attempts,
        lines=made.lines,
    )


def told(it: StoredRecord, state: State) -> dict[str, str]:
    return {step.stage: step.what for step in explain(it, state)}


def test_tells_who_was_admitted_and_who_led_the_name_where_it_led_then(state: State) -> None:
    detail = Detail(skipped=(("mute/m", "unsupported_by_target"),), dropped=("top_k",))

    said = told(stored(attempt(), detail=detail), state)

    assert f"key app ({KEY.id}), config_seq 418" in said["admitted"]
    assert '(alias, change 8 by ana: "Q4 model")' in said["planned"]
    assert "; skipped mute/m: unsupported_by_target; without top_k" in said["planned"]
    assert said["funded"] == "limits 4 at once; what it needs is held"


@pytest.mark.parametrize(
    ("target", "error_code", "why"),
    [
        ("sim/large", "provider_overloaded", "retry after provider_overloaded"),
        ("sim/twin", "provider_error", "to: the next of its targets after provider_error"),
        ("sim/small", "provider_error", "fallback.when_error[1] small, after provider_error"),
        ("sim/other", "provider_rate_limited", "fallback.when_error[0] sim/other, after"),
        ("sim/small", "model_refused", "fallback.when_refused[0] small, after model_refused"),
        ("sim/gone", "provider_error", "fallback after provider_error"),
    ],
)
def test_tells_by_which_rule_an_attempt_followed_another(
    state: State, target: str, error_code: str, why: str
) -> None:
    first = replace(attempt(), n=1, target="sim/large", error_code=error_code, http_status=529)
    second = replace(attempt(), n=2, target=target, error_code=None)

    said = told(stored(first, second), state)

    assert "sim/large 529" in said["attempt 1"]
    assert f"({why}" in said["attempt 2"]


@pytest.mark.parametrize(
    ("stages", "error_code", "why"),
    [
        (0, "model_not_allowed", f"by admit: model_not_allowed, HTTP 403; key app ({KEY.id}) may"),
        (3, "rate_limited", "by fund: rate_limited, HTTP 403; limits 4 at once"),
        (1, "price_unknown", "by plan: price_unknown, HTTP 403"),
    ],
)
def test_tells_which_stage_refused_and_by_which_rule(
    state: State, stages: int, error_code: str, why: str
) -> None:
    it = stored(stages=stages, status="rejected", error_code=error_code, http_status=403)

    assert told(it, state)["refused"].startswith(why)


@pytest.mark.parametrize(
    "scope",
    [
        Scope(ScopeKind.TENANT, ACME),
        Scope(ScopeKind.FEATURE, "search", ACME),
        Scope(ScopeKind.MODEL, "chat"),
        Scope(ScopeKind.PROVIDER, "sim"),
    ],
    ids=str,
)
async def test_tells_who_threw_the_switch_that_refused(control: Control, scope: Scope) -> None:
    loop = Suspension(reason="loop")
    change = await Switches(control, FrozenClock()).suspend(scope, loop, **WHO)
    code = (
        f"{'tenant' if scope.kind in (ScopeKind.TENANT, ScopeKind.FEATURE) else 'model'}_suspended"
    )
    it = stored(stages=0, status="rejected", error_code=code)

    said = told(it, await control.state_at(change.seq))["refused"]

    assert said.endswith(f'; {scope} is suspended (change {change.seq} by ana: "loop")')


async def test_tells_who_held_the_breaker_of_a_target_open(control: Control) -> None:
    by = By("ana", Source.CLI, "slow")
    change = await Breakers(control).hold_open("sim/other", by, at_us=0)

    said = told(stored(attempt()), await control.state_at(change.seq))["planned"]

    assert said.endswith(f'; sim/other held open (change {change.seq} by ana: "slow")')


def test_what_the_configuration_does_not_know_any_more_is_told_from_the_record() -> None:
    said = told(stored(attempt()), {})

    assert f"key {KEY.id}" in said["admitted"]
    assert said["planned"].startswith("chat -> ")


def test_steps_are_in_the_order_of_time(state: State) -> None:
    steps = explain(stored(attempt()), state)

    assert [step.ts_us for step in steps] == sorted(step.ts_us for step in steps)
    assert steps[-1].stage == "settled"


async def test_tells_which_version_it_got_and_who_pointed_the_label_there(control: Control) -> None:
    await control.move(pointer("prompt/rag-answer@3.2.0"), version(), **WHO, reason="pushed")
    place = pointer("label/rag-answer/production/default")
    await control.move(place, Label(version="3.2.0"), **WHO, reason="Q4 text")
    use = PromptUse(
        name="rag-answer",
        version="3.2.0",
        hash=version().hash,
        label="production",
        scope="default",
        reason="label",
    )

    steps = explain(stored(detail=Detail(prompt=use)), await control.state())

    (told,) = [it.what for it in steps if it.stage == "composed"]
    assert told.startswith("rag-answer@3.2.0 (label production in scope default, change ")
    assert told.endswith('"Q4 text")')
