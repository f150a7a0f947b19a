from hypothesis import given
from hypothesis import strategies as st

from trimtab.sim.text import attachment, first_tokens, pieces, prose, prose_of, tokens_of

DIGESTS = st.binary(min_size=16, max_size=16)


@given(st.text())
def test_pieces_are_the_tokens_and_join_to_the_text(text: str) -> None:
    assert "".join(pieces(text)) == text
    assert len(pieces(text)) == tokens_of(text)


@given(st.text(), st.integers(0, 50))
def test_the_first_tokens_are_no_more_than_asked(text: str, most: int) -> None:
    cut = first_tokens(text, most)

    assert text.startswith(cut)
    assert tokens_of(cut) == min(most, tokens_of(text))


@given(DIGESTS, st.integers(0, 10_000))
def test_prose_of_a_length_has_exactly_that_length(digest: bytes, tokens: int) -> None:
    assert tokens_of(prose_of(digest, tokens)) == tokens


@given(DIGESTS)
def test_prose_is_a_few_whole_sentences(digest: bytes) -> None:
    text = prose(digest)

    assert text == text.strip()
    assert text.endswith(".")
    assert 2 <= text.count(". ") + 1 <= 6


@given(st.binary(), st.integers(1, 2_000))
def test_an_attachment_takes_as_many_tokens_as_it_costs(content: bytes, tokens: int) -> None:
    assert tokens_of(attachment(content, tokens)) == tokens
    assert attachment(content, tokens) != attachment(content + b"x", tokens)
