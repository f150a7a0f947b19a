import pytest

from trimtab.evals.family import family, same_family


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("anthropic/claude-haiku-4-5-20251001", "claude"),
        ("bedrock/us.anthropic.claude-3-5-sonnet-20240620-v1:0", "claude"),
        ("openai/gpt-4.1-mini-2025-04-14", "gpt"),
        ("openai/o3-2025-04-16", "gpt"),
        ("openai/chatgpt-4o-latest", "gpt"),
        ("google/Gemini-2.5-pro", "gemini"),
        ("together/meta-llama/Llama-3.3-70B", "llama"),
        ("3", ""),
    ],
)
def test_a_family_is_the_first_word_of_the_name(model: str, name: str) -> None:
    assert family(model) == name


def test_a_judge_of_the_candidates_family_is_warned_about() -> None:
    told = same_family("openai/gpt-4o-2024-08-06", ["anthropic/claude-x", "azure/gpt-5"])

    assert told is not None
    assert "'azure/gpt-5'" in told


def test_a_judge_of_another_family_is_not() -> None:
    assert same_family("openai/gpt-4o", ["anthropic/claude-x"]) is None
    assert same_family("", ["", "1"]) is None
