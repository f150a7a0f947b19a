from dataclasses import replace

import msgspec
import pytest
from tests.gateway.conftest import AUTH, CHAT, HI, MESSAGES, call, gateway
from tests.pipeline.conftest import GRANT, SIM, Rig, json_answer

from trimtab.domain.errors import InvalidRequest, PromptAmbiguous, Unsupported
from trimtab.domain.model import ProviderWire, Wire
from trimtab.gateway.body import read
from trimtab.pipeline.handoff import PromptAsk

RESPONSES = "/v1/responses"
COUNT = "/v1/messages/count_tokens"
SEARCH: dict[str, object] = {"type": "web_search_20250305", "name": "web_search"}
BY_PROVIDERS: list[tuple[str, dict[str, object], str, str]] = [
    *[
        (RESPONSES, {"tools": [{"type": kind}]}, "tools[0]", name)
        for kind, name in [
            ("web_search", "web_search"),
            ("web_search_preview", "web_search"),
            ("web_search_preview_2025_03_11", "web_search"),
            ("file_search", "file_search"),
            ("code_interpreter", "code_interpreter"),
            ("image_generation", "image_generation"),
            ("mcp", "mcp"),
            ("shell", "shell"),
            ("not_yet_known", "not_yet_known"),
        ]
    ],
    *[
        (MESSAGES, {"tools": [{"name": "f"}, {"type": kind}]}, "tools[1]", name)
        for kind, name in [
            ("web_search_20250305", "web_search"),
            ("web_fetch_20250910", "web_fetch"),
            ("code_execution_20250825", "code_execution"),
            ("tool_search_tool_regex_20251119", "tool_search_tool_regex"),
            ("mcp_toolset", "mcp"),
            ("not_yet_known_20270101", "not_yet_known"),
        ]
    ],
    (MESSAGES, {"mcp_servers": [{"type": "url", "url": "https://x"}]}, "mcp_servers", "mcp"),
    (CHAT, {"web_search_options": {}}, "web_search_options", "web_search"),
    (CHAT, {"tools": [{"type": "web_search"}]}, "tools[0]", "web_search"),
    (COUNT, {"tools": [SEARCH]}, "tools[0]", "web_search"),
]
BY_CALLERS = [
    (CHAT, [{"type": "function", "function": {"name": "f"}}, {"type": "custom"}]),
    (RESPONSES, [{"type": "function"}, {"type": "custom"}, {"type": "apply_patch"}]),
    (RESPONSES, [{"type": "local_shell"}, {"type": "computer_use_preview"}]),
    (MESSAGES, [{"name": "f"}, {"type": "custom"}, {"type": None}, {"type": "bash_20250124"}]),
    (MESSAGES, [{"type": "text_editor_20250728"}, {"type": "computer_20250124"}]),
    (MESSAGES, [{"type": "memory_20250818"}]),
]


def saying(members: dict[str, object]) -> bytes:
    return msgspec.json.encode({**msgspec.json.decode(HI), **members})


@pytest.mark.parametrize(("path", "members", "member", "tool"), BY_PROVIDERS)
async def test_a_tool_that_runs_at_the_provider_is_for_tenants_who_may(
    path: str, members: dict[str, object], member: str, tool: str
) -> None:
    allowed = msgspec.structs.replace(GRANT.tenant, server_tools=(tool,))
    others = msgspec.structs.replace(GRANT.tier, server_tools=("other",))
    denied, served = (
        Rig(grant=replace(GRANT, tier=others)),
        Rig(grant=replace(GRANT, tenant=allowed)),
    )
    served.provider.answers.append(json_answer())

    refused = await call(gateway(denied), "POST", path, saying(members))
    await call(gateway(served), "POST", path, saying(members))

    assert (refused.status, refused.headers["x-trimtab-error"]) == (400, "field_not_allowed")
    assert f"`{member}` has the tool '{tool}'" in refused.json["error"]["message"]
    assert (denied.record.status, denied.provider.sent) == ("rejected", [])
    assert len(served.provider.sent) == 1


@pytest.mark.parametrize(("path", "tools"), BY_CALLERS)
async def test_a_tool_that_the_app_runs_is_for_everybody(
    path: str, tools: list[dict[str, object]]
) -> None:
    rig = Rig(json_answer())

    await call(gateway(rig), "POST", path, saying({"tools": tools}))

    assert len(rig.provider.sent) == 1


async def test_a_tenant_has_the_tools_of_its_tier_unless_it_has_its_own() -> None:
    tier = msgspec.structs.replace(GRANT.tier, server_tools=("web_search",))
    own = msgspec.structs.replace(GRANT.tenant, server_tools=())

    assert replace(GRANT, tier=tier).may_use("web_search")
    assert not replace(GRANT, tier=tier, tenant=own).may_use("web_search")


@pytest.mark.parametrize(
    ("path", "name"),
    [(CHAT, b"openai-beta"), (RESPONSES, b"openai-beta"), (MESSAGES, b"anthropic-beta")],
)
async def test_a_beta_goes_along_only_if_the_provider_may_have_it(path: str, name: bytes) -> None:
    rig = Rig(json_answer(), provider=msgspec.structs.replace(SIM, betas=("a-1", "b-2")))
    app = gateway(rig)

    await call(app, "POST", path, HI, headers=[AUTH, (name, b"a-1, b-2")])
    refused = await call(app, "POST", path, HI, headers=[AUTH, (name, b"a-1,c-3")])

    assert len(rig.provider.sent) == 1
    assert name + b": a-1, b-2\r\n" in rig.provider.sent[0][1]
    assert (refused.status, refused.headers["x-trimtab-error"]) == (400, "field_not_allowed")
    assert "'c-3'" in refused.json["error"]["message"]


async def test_a_beta_of_one_wire_is_refused_where_the_other_is_spoken() -> None:
    account = msgspec.structs.replace(SIM, wire=ProviderWire.ANTHROPIC, betas=("a-1",))
    rig = Rig(provider=account)

    answer = await call(gateway(rig), "POST", CHAT, HI, headers=[AUTH, (b"openai-beta", b"a-1")])

    assert (answer.status, rig.provider.sent) == (400, [])


def named(body: bytes, wire: Wire = Wire.OPENAI_CHAT) -> PromptAsk | None:
    return read(wire, body)[1]


@pytest.mark.parametrize(
    ("wire", "body"),
    [
        pytest.param(
            Wire.OPENAI_RESPONSES,
            b'{"prompt":{"id":"rag-answer","version":"production","variables":{"q":"a"}}}',
            id="responses have it natively",
        ),
        pytest.param(
            Wire.OPENAI_RESPONSES,
            b'{"prompt":{"id":"rag-answer","version":"production","variables":'
            b'{"q":{"type":"input_text","text":"a"}}}}',
            id="a variable as a part of input",
        ),
        *[
            pytest.param(wire, b'{"trimtab":{"prompt":%b}}' % prompt, id=f"{wire} {kind}")
            for wire in (Wire.OPENAI_CHAT, Wire.ANTHROPIC_MESSAGES)
            for kind, prompt in (
                (
                    "by parts",
                    b'{"id":"rag-answer","version":"production","variables":{"q":"a"}}',
                ),
                ("short", b'"rag-answer@production","variables":{"q":"a"}'),
            )
        ],
    ],
)
def test_a_prompt_is_named_in_the_words_of_each_wire(wire: Wire, body: bytes) -> None:
    assert named(body, wire) == PromptAsk(
        name="rag-answer", label="production", variables={"q": "a"}
    )


def test_a_version_and_a_label_are_never_taken_for_each_other() -> None:
    exact = named(b'{"trimtab":{"prompt":"rag-answer@3.2.0-rc.1"}}')
    bare = named(b'{"trimtab":{"prompt":"rag-answer"}}')

    assert exact == PromptAsk(name="rag-answer", version="3.2.0-rc.1")
    assert bare == PromptAsk(name="rag-answer")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        pytest.param(
            b'{"prompt":{"id":"a"},"trimtab":{"prompt":"b"}}', PromptAmbiguous, id="two prompts"
        ),
        pytest.param(b'{"trimtab":{"variables":{"q":"a"}}}', PromptAmbiguous, id="variables alone"),
        pytest.param(
            b'{"trimtab":{"prompt":{"id":"a"},"variables":{}}}', PromptAmbiguous, id="two places"
        ),
        pytest.param(b'{"trimtab":{"prompt":"A B"}}', InvalidRequest, id="no name"),
        pytest.param(b'{"trimtab":{"prompt":"a@1.0"}}', InvalidRequest, id="no version"),
        pytest.param(b'{"trimtab":{"prompt":"a@Latest!"}}', InvalidRequest, id="no label"),
        pytest.param(b'{"trimtab":{"prompt":{"id":"a","x":1}}}', InvalidRequest, id="unknown part"),
        pytest.param(
            b'{"prompt":{"id":"a","variables":{"f":{"type":"input_file"}}}}',
            InvalidRequest,
            id="a file",
        ),
    ],
)
def test_a_prompt_that_is_named_badly_is_refused(
    body: bytes, error: type[InvalidRequest | PromptAmbiguous]
) -> None:
    with pytest.raises(error):
        named(body, Wire.OPENAI_RESPONSES)


def test_without_a_prompt_messages_and_model_must_be_there() -> None:
    with pytest.raises(InvalidRequest, match="`messages` is missing; add it"):
        named(b'{"model":"chat"}')
    with pytest.raises(InvalidRequest, match="`model` is missing; add it"):
        named(b'{"messages":[{}]}')


def test_vectors_are_made_of_no_prompt() -> None:
    with pytest.raises(Unsupported, match=r"`trimtab.prompt` is not served here"):
        named(b'{"model":"m","input":"a","trimtab":{"prompt":"a"}}', Wire.OPENAI_EMBEDDINGS)
