"""Rendered prompts in the words of a wire, around what the caller said himself."""

import msgspec
import pytest
from msgspec import Raw
from tests.prompts import CHAT, version

from trimtab.domain.errors import InvalidRequest
from trimtab.domain.model import Wire
from trimtab.domain.rendering import PURE_ENGINES, compile_version
from trimtab.pipeline.written import WRITTEN

RENDERED = compile_version(version(CHAT), PURE_ENGINES).render({"ticket": "t"})
ANTHROPIC = (Wire.ANTHROPIC_MESSAGES, Wire.ANTHROPIC_COUNT_TOKENS)


@pytest.mark.parametrize("wire", ANTHROPIC)
@pytest.mark.parametrize(
    ("own", "sent"),
    [
        pytest.param(b"null", "You sort tickets.", id="null"),
        pytest.param(
            b'"Be kind."',
            [
                {"type": "text", "text": "You sort tickets."},
                {"type": "text", "text": "Be kind."},
            ],
            id="text",
        ),
        pytest.param(
            b'[{"type":"text","text":"x"}]',
            [{"type": "text", "text": "You sort tickets."}, {"type": "text", "text": "x"}],
            id="blocks",
        ),
    ],
)
def test_what_the_caller_says_as_the_system_comes_after_the_prompt(
    wire: Wire, own: bytes, sent: object
) -> None:
    members = WRITTEN[wire]({"system": Raw(own)}, RENDERED)

    assert msgspec.json.decode(members["system"]) == sent


@pytest.mark.parametrize("wire", ANTHROPIC)
@pytest.mark.parametrize("own", [b"5", b"{}", b"true"])
def test_a_system_that_is_neither_text_nor_blocks_is_refused(wire: Wire, own: bytes) -> None:
    with pytest.raises(InvalidRequest, match="text or a list of blocks") as refused:
        WRITTEN[wire]({"system": Raw(own)}, RENDERED)

    assert refused.value.param == "system"
