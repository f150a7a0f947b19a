"""What the provider keeps of conversations, for calls that go on from an earlier answer."""

MOST_KEPT = 10_000


class Conversations:
    """State: the latest conversations, by account and by the answer that ended them."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], str] = {}

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()

    def keep(self, account: str, call_id: str, talk: str) -> None:
        """Keep a conversation; the oldest is forgotten when there are too many."""
        if len(self._kept) >= MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[account, call_id] = talk

    def find(self, account: str, call_id: str) -> str | None:
        """Find the conversation that an answer ended."""
        return self._kept.get((account, call_id))
