from pystache.context import ContextStack
from pystache.renderengine import RenderEngine

class ParsingError(Exception): ...

class ParsedTemplate:
    _parse_tree: list[object]

    def render(self, engine: RenderEngine, context: ContextStack) -> str: ...

def parse(
    template: str,
    delimiters: tuple[str, str] | None = None,
    raise_on_mismatch: bool = False,
) -> ParsedTemplate: ...
