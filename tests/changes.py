"""Changes for tests of control stores."""

from trimtab.domain.change import Draft, Pointer, PointerKind, Source


def draft(name: str = "chat", after: bytes | None = b"1", expected_seq: int | None = None) -> Draft:
    return Draft(
        pointer=Pointer(PointerKind.MODEL, name),
        after=after,
        author="ana",
        source=Source.CLI,
        reason="because",
        expected_seq=expected_seq,
    )
