from dataclasses import replace
from typing import Any

import msgspec
import pytest
from tests.pipeline.conftest import Rig, json_answer
from tests.prompts import CHAT, SEED, registry, version

from trimtab.control.prompts import Prompts
from trimtab.domain.model import Wire
from trimtab.domain.prompt import Yank
from trimtab.pipeline.handoff import PromptAsk, PromptSaid
from trimtab.testing import RecordingReply

VARIABLES = {"question": "why?", "context": "because", "persona": "clerk"}
THREE_TWO = version()
THREE_THREE = version(SEED.replace("Cite", "Never cite"), version="3.3.0")
BOTH = (THREE_TWO, THREE_THREE)
IN_PRODUCTION = {"rag-answer/production/default": "3.2.0"}


def rig_of(prompts: Prompts) -> Rig:
    rig = Rig(json_answer())
    rig.snapshot = replace(rig.snapshot, prompts=prompts)
    return rig


async def ask(  # the request is the test's business
    rig: Rig,
    ask: PromptAsk | None = None,
    **changes: Any,  # noqa: ANN401
) -> RecordingReply:
    members = changes.pop("members", {"messages": []})
    request = rig.request(members, stream=False, prompt=ask, **changes)
    return await rig.ask(request)


# The shape is the test's business.
def sent(rig: Rig) -> Any:  # noqa: ANN401
    return msgspec.json.decode(rig.provider.sent[0][2])


async def test_a_request_that_names_a_prompt_is_asked_with_its_messages() -> None:
    rig = rig_of(registry(*BOTH, labels=IN_PRODUCTION))

    await ask(rig, PromptAsk(name="rag-answer", variables=VARIABLES))

    (message,) = sent(rig)["messages"]
    assert message["role"] == "user"
    assert message["content"].startswith("You are a clerk.")
    assert message["content"].endswith("QUESTION:\nwhy?\n")


async def test_the_record_says_which_version_and_why() -> None:
    rig = rig_of(registry(*BOTH, labels=IN_PRODUCTION))

    await ask(rig, PromptAsk(name="rag-answer", variables=VARIABLES))

    record, use = rig.record, rig.finish.detail.prompt
    assert (record.prompt_name, record.prompt_version) == ("rag-answer", "3.2.0")
    assert (record.prompt_label, record.prompt_hash) == ("production", THREE_TWO.hash)
    assert use is not None
    assert (use.scope, use.reason, use.source) == ("default", "label", "memory")
    assert use.rendered_hash is not None
    assert len(use.nonce) == 32
    assert rig.begins[0].prompt == use
    assert {line.prompt_version for line in rig.finish.lines} == {"3.2.0"}


async def test_what_filled_the_prompt_is_kept_with_the_content() -> None:
    rig = rig_of(registry(*BOTH, labels=IN_PRODUCTION))

    await ask(rig, PromptAsk(name="rag-answer", variables=VARIABLES))

    assert rig.record.prompt_vars_ref in {blob.ref for blob in rig.finish.content}


async def test_a_named_version_wins_over_every_label() -> None:
    rig = rig_of(registry(*BOTH, labels=IN_PRODUCTION))

    await ask(rig, PromptAsk(name="rag-answer", version="3.3.0", variables=VARIABLES))

    assert rig.record.prompt_version == "3.3.0"
    assert rig.record.prompt_label is None
    assert rig.finish.detail.prompt is not None
    assert rig.finish.detail.prompt.reason == "exact version"


async def test_the_most_specific_scope_decides() -> None:
    labels = {**IN_PRODUCTION, "rag-answer/production/tenant:acme": "3.3.0"}
    rig = rig_of(registry(*BOTH, labels=labels))

    await ask(rig, PromptAsk(name="rag-answer", variables=VARIABLES))

    assert rig.record.prompt_version == "3.3.0"
    assert rig.finish.detail.prompt is not None
    assert rig.finish.detail.prompt.scope == "tenant:acme"


async def test_the_callers_messages_go_where_the_prompt_has_a_place_for_them() -> None:
    rig = rig_of(registry(version(CHAT), labels={"triage/production/default": "1.0.0"}))
    own = [{"role": "user", "content": "earlier", "name": "x"}]

    await ask(
        rig, PromptAsk(name="triage", variables={"ticket": "$ticket"}), members={"messages": own}
    )

    assert sent(rig)["messages"] == [
        {"role": "system", "content": "You sort tickets."},
        *own,
        {"role": "user", "content": "Ticket: $ticket"},
    ]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        pytest.param(PromptAsk(name="nobody"), "prompt_not_found", id="no such prompt"),
        pytest.param(
            PromptAsk(name="rag-answer", version="9.9.9"), "prompt_not_found", id="no such version"
        ),
        pytest.param(
            PromptAsk(name="rag-answer", label="staging"), "prompt_not_found", id="label of nothing"
        ),
        pytest.param(
            PromptAsk(name="rag-answer", version="3.3.0", variables=VARIABLES),
            "version_blocked",
            id="blocked",
        ),
        pytest.param(
            PromptAsk(name="rag-answer", variables={"question": "q"}),
            "prompt_variables_invalid",
            id="variable missing",
        ),
        pytest.param(
            PromptAsk(name="rag-answer", variables={**VARIABLES, "more": "m"}),
            "prompt_variables_invalid",
            id="variable unknown",
        ),
        pytest.param(
            PromptAsk(name="rag-answer", variables={**VARIABLES, "context": 5}),
            "prompt_variables_invalid",
            id="variable of another type",
        ),
    ],
)
async def test_what_cannot_be_rendered_costs_nothing(asked: PromptAsk, code: str) -> None:
    blocked = {"rag-answer@3.3.0": Yank(reason="leaks", blocked=True)}
    rig = rig_of(registry(*BOTH, labels=IN_PRODUCTION, yanked=blocked))

    reply = await ask(rig, asked)

    assert reply.error is not None
    assert reply.error.code == code
    assert (rig.record.status, rig.record.cost_nano, rig.provider.sent) == ("rejected", 0, [])


async def test_a_yanked_version_is_still_there_for_who_names_it() -> None:
    yanked = {"rag-answer@3.3.0": Yank(reason="worse")}
    rig = rig_of(registry(*BOTH, labels=IN_PRODUCTION, yanked=yanked))

    await ask(rig, PromptAsk(name="rag-answer", version="3.3.0", variables=VARIABLES))

    assert rig.record.status == "ok"


async def test_a_version_that_was_written_over_is_not_served() -> None:
    other = msgspec.structs.replace(THREE_TWO, content=THREE_THREE.content)
    rig = rig_of(registry(other, labels=IN_PRODUCTION))

    reply = await ask(rig, PromptAsk(name="rag-answer", variables=VARIABLES))

    assert reply.error is not None
    assert reply.error.code == "version_corrupt"
    assert rig.provider.sent == []


async def test_the_model_of_the_prompt_serves_who_names_none() -> None:
    text = SEED + "model: {id: chat, params: {temperature: 0, max_tokens: 64}}\n"
    rig = rig_of(registry(version(text), labels=IN_PRODUCTION))

    await ask(rig, PromptAsk(name="rag-answer", variables=VARIABLES), model="")

    assert (rig.record.model_requested, rig.record.status) == ("chat", "ok")
    assert (sent(rig)["temperature"], sent(rig)["max_tokens"]) == (0, 64)


async def test_without_any_model_the_caller_is_told() -> None:
    rig = rig_of(registry(*BOTH, labels=IN_PRODUCTION))

    reply = await ask(rig, PromptAsk(name="rag-answer", variables=VARIABLES), model="")

    assert reply.error is not None
    assert "names none; add it" in str(reply.error)


async def test_what_a_client_rendered_itself_is_on_the_record_too() -> None:
    rig = rig_of(registry(*BOTH))
    said = PromptSaid(
        name="rag-answer",
        version="3.2.0",
        hash=THREE_TWO.short_hash,
        label="staging",
        source="disk",
    )

    await ask(rig, rendered=said, members={})

    assert rig.record.prompt_hash == THREE_TWO.hash
    assert rig.finish.detail.prompt is not None
    assert rig.finish.detail.prompt.source == "disk"
    assert sent(rig)["messages"] == [{"role": "user", "content": "How warm is it?"}]


async def test_a_client_that_rendered_another_text_is_refused() -> None:
    rig = rig_of(registry(*BOTH))
    said = PromptSaid(name="rag-answer", version="3.2.0", hash=THREE_THREE.short_hash)

    reply = await ask(rig, rendered=said, members={})

    assert reply.error is not None
    assert reply.error.code == "prompt_hash_mismatch"


@pytest.mark.parametrize("wire", [Wire.ANTHROPIC_MESSAGES, Wire.OPENAI_RESPONSES])
async def test_every_wire_gets_the_prompt_in_its_own_words(wire: Wire) -> None:
    text = CHAT + "model: {params: {max_tokens: 7}}\n"
    rig = rig_of(registry(version(text), labels={"triage/production/default": "1.0.0"}))
    member = "input" if wire is Wire.OPENAI_RESPONSES else "messages"
    own = {"role": "user", "content": "earlier"}

    await rig.ask(
        rig.request(
            {member: [own]},
            wire=wire,
            stream=False,
            prompt=PromptAsk(name="triage", variables={"ticket": "t"}),
        )
    )

    body = sent(rig)
    said = [it["content"] for it in body[member] if it["role"] == "user"]
    assert said == ["earlier", "Ticket: t"]
    assert 7 in (body.get("max_tokens"), body.get("max_output_tokens"))


async def test_every_request_looks_first_whether_the_worker_slept() -> None:
    rig = rig_of(registry(*BOTH, labels=IN_PRODUCTION))

    await ask(rig, PromptAsk(name="rag-answer", variables=VARIABLES))

    assert rig.renewed == 1


async def test_a_label_that_may_have_moved_unseen_is_marked() -> None:
    rig = rig_of(registry(*BOTH, labels=IN_PRODUCTION))
    rig.provider.answers.append(json_answer())
    compose = replace(rig.pipeline.compose, is_stale=lambda: True)
    rig.pipeline = replace(rig.pipeline, compose=compose)

    await ask(rig, PromptAsk(name="rag-answer", variables=VARIABLES))
    await ask(rig, PromptAsk(name="rag-answer", version="3.2.0", variables=VARIABLES))

    uses = [it.detail.prompt for it in rig.finishes]
    assert [use and use.stale for use in uses] == [True, False]
