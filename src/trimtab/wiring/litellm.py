"""Providers that the library `litellm` calls, built only where one is named."""

import os
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pkgutil import resolve_name

from trimtab.domain.errors import SettingsInvalid
from trimtab.domain.model import Provider, ProviderWire
from trimtab.domain.transport import Transport
from trimtab.settings.secrets import REFERENCE
from trimtab.wiring.following import secret

STARTED = "trimtab.providers.litellm.transport:started"


def needs_litellm(providers: Iterable[Provider]) -> bool:
    """Whether one of them is called by it."""
    return any(provider.wire is ProviderWire.LITELLM for provider in providers)


def check_litellm(providers: Iterable[Provider]) -> None:
    """Insist on the extra, if a provider needs it; nothing is imported.

    Raises:
        SettingsInvalid: it is missing.
    """
    if needs_litellm(providers) and find_spec("litellm") is None:
        raise SettingsInvalid(
            "`wire: litellm` needs an extra that is not installed; run"
            " pip install 'trimtab[litellm]'"
        )


def load_litellm() -> Transport:
    """Import it, for seconds.

    It is told to fetch no price list, and to read no `.env` into the environment of this process.
    """
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    os.environ["LITELLM_MODE"] = "PRODUCTION"
    started: Callable[[Callable[[object], object]], Transport] = resolve_name(STARTED)
    return started(_resolved)


def _resolved(value: object) -> object:
    if isinstance(value, str) and REFERENCE.fullmatch(value):
        return secret(value)
    return value
