import pytest

from trimtab.evals.personal import personal


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
