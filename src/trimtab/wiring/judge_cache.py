"""Opens the verdicts that are remembered. Apart from who judges, for commands that start fast."""

import os
from pathlib import Path

from trimtab import wiring
from trimtab.domain.errors import SettingsInvalid
from trimtab.evals.cache import Cache

FOLDER = Path(".judge-cache")
CACHE_KEY_VARIABLE = "TRIMTAB_CACHE_KEY"
SHORTEST_KEY = 16


def judge_cache(folder: Path = FOLDER) -> Cache:
    """Open a folder of remembered verdicts, signed with `TRIMTAB_CACHE_KEY` if that is set.

    Raises:
        SettingsInvalid: the key is so short that it can be guessed from a signature.
    """
    secret = os.environ.get(CACHE_KEY_VARIABLE, "").strip().encode()
    if secret and len(secret) < SHORTEST_KEY:
        raise SettingsInvalid(
            f"{CACHE_KEY_VARIABLE} has fewer than {SHORTEST_KEY} characters; make one with"
            " `openssl rand -hex 32`"
        )
    return Cache(folder, wiring.SystemClock(), secret)
