import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.evals.personal import personal, redacted


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("write to mia.k+x@mail.acme.io.", "EMAIL"),
        ("write to mia@example.com or ben@shop.example", ""),
        ("pay with 4111 1111 1111 1111", "CARD"),
        ("pay with 4111111111111112", ""),
        ("order 0000000000000000", ""),
        ("IBAN DE89 3704 0044 0532 0130 00 please", "IBAN"),
        ("IBAN GB82WEST12345698765432", "IBAN"),
        ("IBAN DE89 3704 0044 0532 0130 02", ""),
        ("mia@acme.io 4111-1111-1111-1111", "CARD EMAIL"),
        ("a@b", ""),
        ("@" * 10_000 + "a@" * 10_000, ""),
    ],
)
def test_finds_what_its_form_gives_away(text: str, kinds: str) -> None:
    assert personal(text) == {*kinds.split()}


def test_puts_the_kind_where_it_was() -> None:
    text = (
        "mia@acme.io, ben@acme.io or mia@example.com, 4111 1111 1111 1111, DE89370400440532013000"
    )

    plain, counts = redacted(text)

    assert plain == "[EMAIL], [EMAIL] or mia@example.com, [CARD], [IBAN]"
    assert counts == {"EMAIL": 2, "CARD": 1, "IBAN": 1}
    assert redacted(plain) == (plain, {})


@given(
    st.lists(
        st.sampled_from(["m@a.io", "4111111111111111", "GB82WEST12345698765432", " ", "-", "@"])
        | st.text(max_size=4)
    )
)
def test_leaves_nothing_that_is_found(parts: list[str]) -> None:
    assert not personal(redacted("".join(parts))[0])


def test_looks_again_at_what_is_left() -> None:
    # Before the number is taken out, the name is too long for an address.
    plain, counts = redacted(f"GB82WEST12345698765432.{'x' * 50}@a.io")

    assert plain == "[IBAN][EMAIL]"
    assert counts == {"IBAN": 1, "EMAIL": 1}
