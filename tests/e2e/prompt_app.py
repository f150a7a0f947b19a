"""An application that renders a prompt whenever it is asked to, by a line on standard input."""

import json
import sys
from dataclasses import dataclass
from typing import Any

from tests.e2e.prompting import ASKED, NAME

from trimtab.domain.errors import TrimtabError
from trimtab.sdk import Prompts


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a render said; of one that failed, the code alone."""

    version: str = ""
    source: str = ""
    text: str = ""
    stale: bool = False
    age_s: float | None = None
    error: str = ""


def rendered(client: Prompts) -> Rendered:
    """Render."""
    try:
        it = client.render(NAME, ASKED)
    except TrimtabError as exc:
        return Rendered(error=exc.code)
    return Rendered(it.version, it.source, it.text or "", it.stale, it.age_s)


def main() -> None:
    """Serve until standard input ends."""
    settings: dict[str, Any] = json.loads(sys.argv[1])
    with Prompts(**settings) as client:
        for _ in sys.stdin:
            it = rendered(client)
            print(json.dumps({name: getattr(it, name) for name in it.__slots__}), flush=True)  # noqa: T201 -- its answer


if __name__ == "__main__":
    main()
