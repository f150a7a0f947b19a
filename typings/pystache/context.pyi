from collections.abc import Mapping

class KeyNotFoundError(Exception):
    key: str

class ContextStack:
    def __init__(self, *items: Mapping[str, object]) -> None: ...
    def get(self, name: str) -> object: ...
