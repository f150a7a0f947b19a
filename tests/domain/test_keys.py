import string

from hypothesis import given
from hypothesis import strategies as st

from trimtab.domain.keys import digest, key_id_of, new_key
from trimtab.testing import seeded_entropy


def test_a_new_key_names_its_id_and_hash() -> None:
    key = new_key("live", seeded_entropy())

    assert key.text.startswith(f"tt_live_{key.id}_")
    assert key_id_of(key.text) == key.id
    assert digest(key.text) == key.sha256


def test_two_keys_share_nothing() -> None:
    entropy = seeded_entropy()

    first, second = new_key("dev", entropy), new_key("dev", entropy)

    assert first.id != second.id
    assert first.text[-49:] != second.text[-49:]


@given(
    position=st.integers(0, 200),
    char=st.sampled_from(string.ascii_letters + string.digits),
)
def test_a_typing_error_is_seen_without_a_look_up(position: int, char: str) -> None:
    text = new_key("dev", seeded_entropy()).text
    position %= len(text)
    typed = text[:position] + char + text[position + 1 :]

    assert typed == text or key_id_of(typed) is None


def test_what_is_no_key_has_no_id() -> None:
    assert key_id_of("") is None
    assert key_id_of("sk-something") is None
    assert key_id_of("tt_dev_" + "a" * 200_000) is None
