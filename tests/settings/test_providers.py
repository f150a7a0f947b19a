import pytest
from tests.settings.conftest import Faults, Load

from trimtab.domain.model import UNKNOWN, Maximum, Provider, ProviderWire

LITELLM = "version: 1\nproviders:\n  p: {{wire: litellm, {}}}\n"


def test_reads_an_account_that_the_library_calls(load_text: Load) -> None:
    settings = load_text(
        LITELLM.format(
            "model_prefix: bedrock/, region: eu-west-1,"
            " options: {aws_session_token: env:TOKEN, max_parallel: 3, fake: true}"
        )
    )

    assert settings.providers["p"] == Provider(
        name="p",
        wire=ProviderWire.LITELLM,
        model_prefix="bedrock/",
        region="eu-west-1",
        options={"aws_session_token": "env:TOKEN", "max_parallel": 3, "fake": True},
    )


@pytest.mark.parametrize(
    ("text", "at", "says"),
    [
        ("region: eu-west-1", "", "'model_prefix' is missing"),
        ("model_prefix: bedrock!", ".model_prefix", "with a slash"),
        ("model_prefix: 'https://h/'", ".model_prefix", "with a slash"),
        ("model_prefix: groq/, region: eu-west-1", ".region", "write its own name"),
        ("model_prefix: a/, options: [x]", ".options", "is not a map"),
        ("model_prefix: a/, options: {x: [1]}", ".options.x", "is not one value"),
        ("model_prefix: a/, options: {num_retries: 3}", ".options.num_retries", "not yours"),
        ("model_prefix: a/, options: {api_key: env:A}", ".options.api_key", "not yours"),
        ("model_prefix: a/, options: {a_secret: hunter2}", ".options.a_secret", "a reference"),
        ("model_prefix: a/, max_tokens: 5", ".max_tokens", "write {large-*: {input:"),
        ("model_prefix: a/, max_tokens: {m: {output: 0}}", ".max_tokens.m.output", "at least 1"),
        ("model_prefix: a/, max_tokens: {m: {out: 5}}", ".max_tokens.m.out", "not known here"),
        ("model_prefix: a/, max_tokens: {m: 5}", ".max_tokens.m", "is not a map"),
        ("model_prefix: a/, max_tokens: {'*m': {}}", ".max_tokens.*m", "is no model"),
        ("model_prefix: a/, ca_file: x", ".ca_file", "means nothing to `wire: litellm`"),
        ("model_prefix: a/, url: 'http://10.0.0.1'", ".url", "allow_private_network"),
    ],
)
def test_says_what_is_wrong_with_it(faults: Faults, text: str, at: str, says: str) -> None:
    (fault,) = faults(LITELLM.format(text))

    assert fault.startswith(f"trimtab.yaml:3: providers.p{at}: ")
    assert says in fault
    assert "hunter2" not in fault


def test_other_wires_do_not_know_its_members(faults: Faults) -> None:
    (fault,) = faults(
        "version: 1\nproviders:\n  p: {wire: openai, url: https://e.com, region: x}\n"
    )

    assert "providers.p.region: means nothing to `wire: openai`" in fault


def test_the_longest_name_that_fits_says_what_a_model_takes_at_most(load_text: Load) -> None:
    settings = load_text(
        LITELLM.format(
            "model_prefix: a/, max_tokens: {large-*: {output: 8}, large-2-*: {output: 9, input: 5},"
            " large-2-a: {input: 7}}"
        )
    )
    provider = settings.providers["p"]

    assert provider.maximum("large-1") == Maximum(output=8)
    assert provider.maximum("large-2-b") == Maximum(output=9, input=5)
    assert provider.maximum("large-2-a!slow") == Maximum(input=7)
    assert provider.maximum("large") == UNKNOWN
