import threading
from collections.abc import Generator
from string import Template

import pytest
from pydantic import BaseModel, Field
from tests.sdk.conftest import eventually
from tests.sdk.registry import KEY, TEXT, FakeRegistry, chat, version

from trimtab.domain.errors import (
    NotAPlainTemplate,
    NotAVersion,
    PromptVariablesInvalid,
    SettingsInvalid,
)
from trimtab.domain.prompt import digest
from trimtab.sdk import configure
from trimtab.sdk.default import default_client, disconnect
from trimtab.sdk.prompts import fetch, render


class RagAnswerPrompt(BaseModel):
    """The seed's own."""

    question: str = Field(..., min_length=1)
    context: str = Field(..., max_length=200_000)
    persona: str = "concise technical assistant"


@pytest.fixture(autouse=True)
def configured(registry: FakeRegistry) -> Generator[None]:
    configure(registry.url, KEY).load("rag-answer")
    yield
    disconnect()


def test_fetches_the_text_of_a_version() -> None:
    assert fetch("rag-answer", "3.2.0") == TEXT


def test_renders_as_the_seed_did_and_gives_the_id_it_logged() -> None:
    asked = RagAnswerPrompt(question="Costs $5?", context="$persona")

    text, pid = render("rag-answer", "3.2.0", asked)

    assert text == Template(TEXT).safe_substitute(asked.model_dump())
    assert pid == digest("rag-answer@3.2.0")[:12]


def test_takes_a_mapping_for_variables() -> None:
    text, _ = render("rag-answer", "3.2.0", {"question": "Q", "context": "C"})

    assert "technical assistant" in text


def test_is_strict_where_the_seed_was_silent() -> None:
    with pytest.raises(PromptVariablesInvalid, match="'context'"):
        render("rag-answer", "3.2.0", {"question": "Q"})


def test_a_label_is_no_version() -> None:
    with pytest.raises(NotAVersion):
        fetch("rag-answer", "production")


def test_messages_are_not_squeezed_into_one_text(registry: FakeRegistry) -> None:
    registry.publish(version("4.0.0", chat()))

    with pytest.raises(NotAPlainTemplate, match=r"'rag-answer@4\.0\.0'"):
        fetch("rag-answer", "4.0.0")
    with pytest.raises(NotAPlainTemplate):
        render("rag-answer", "4.0.0", {"question": "Q"})


def test_configuring_again_closes_the_earlier_client(registry: FakeRegistry) -> None:
    earlier = default_client()

    later = configure(registry.url, KEY)

    assert default_client() is later
    assert later is not earlier
    eventually(lambda: not [it for it in threading.enumerate() if "trimtab" in it.name])


def test_says_how_to_configure_it() -> None:
    disconnect()

    with pytest.raises(SettingsInvalid, match=r"trimtab\.sdk\.configure"):
        fetch("rag-answer", "3.2.0")
