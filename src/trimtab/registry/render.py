"""Versions that are ready to render, kept by those who render them."""

from collections import OrderedDict

from trimtab.domain.prompt import PromptVersion
from trimtab.domain.rendering import Compiled, Engines, compile_version

MOST_KEPT = 2000


class Renderer:
    """Gives versions that are ready to render.

    State: those that were asked for last. None of them can change, so none can be stale.
    """

    def __init__(self, engines: Engines) -> None:
        self._engines = engines
        self._kept: OrderedDict[tuple[str, str], Compiled] = OrderedDict()

    def __call__(self, version: PromptVersion) -> Compiled:
        """Make a version ready.

        Raises:
            VersionCorrupt: it is not what was published.
            SettingsInvalid: nobody here knows its engine.
        """
        key = version.ref, version.hash
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            return found
        compiled = compile_version(version, self._engines)
        self._kept[key] = compiled
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return compiled
