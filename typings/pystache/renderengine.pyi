from collections.abc import Callable

from pystache.context import ContextStack

class RenderEngine:
    def __init__(
        self,
        literal: Callable[[str], str] | None = None,
        escape: Callable[[str], str] | None = None,
        resolve_context: Callable[[ContextStack, str], object] | None = None,
        resolve_partial: Callable[[str], str] | None = None,
        to_str: Callable[[object], str] | None = None,
    ) -> None: ...
    def fetch_section_data(self, context: ContextStack, name: str) -> list[object]: ...
