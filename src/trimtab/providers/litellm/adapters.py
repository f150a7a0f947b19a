"""Adapters of providers that `litellm` calls: OpenAI's wire, less what it may not be given."""

from collections.abc import Mapping
from dataclasses import dataclass

from msgspec import Raw

from trimtab.domain.model import Provider
from trimtab.providers.base import Loss
from trimtab.providers.litellm import fields
from trimtab.providers.litellm.account import Operation, head
from trimtab.providers.openai import OpenAIChat
from trimtab.providers.openai_embeddings import OpenAIEmbeddings
from trimtab.providers.translate.bridge import Bridge


@dataclass(frozen=True, slots=True)
class LiteLLMChat(OpenAIChat):
    """`providers.base.Adapter` of chat completions."""

    def losses(self, members: Mapping[str, Raw]) -> tuple[Loss, ...]:
        """See `Adapter.losses`. Raises `UnsupportedByTarget`, too: see `fields.check`."""
        return fields.check(members, fields.CHAT)

    def head(self, provider: Provider, secret: str, headers: tuple[tuple[str, str], ...]) -> bytes:  # noqa: ARG002
        """See `Adapter.head`. No header of a caller is passed on."""
        return head(provider, secret, Operation.CHAT)

    def body(self, members: Mapping[str, Raw], model: str, *, stream: bool) -> bytes:
        """See `Adapter.body`."""
        return OpenAIChat.body(self, fields.passed(members, fields.CHAT), model, stream=stream)


@dataclass(frozen=True, slots=True)
class LiteLLMEmbeddings(OpenAIEmbeddings):
    """`providers.base.Adapter` of embeddings."""

    def losses(self, members: Mapping[str, Raw]) -> tuple[Loss, ...]:
        """See `LiteLLMChat.losses`."""
        return fields.check(members, fields.EMBEDDINGS)

    def head(self, provider: Provider, secret: str, headers: tuple[tuple[str, str], ...]) -> bytes:  # noqa: ARG002
        """See `LiteLLMChat.head`."""
        return head(provider, secret, Operation.EMBEDDINGS)

    def body(self, members: Mapping[str, Raw], model: str, *, stream: bool) -> bytes:
        """See `Adapter.body`."""
        asked = fields.passed(members, fields.EMBEDDINGS)
        return OpenAIEmbeddings.body(self, asked, model, stream=stream)


@dataclass(frozen=True, slots=True)
class LiteLLMBridge(Bridge):
    """`Bridge` whose translated request is held to the same rule."""

    def losses(self, members: Mapping[str, Raw]) -> tuple[Loss, ...]:
        """See `LiteLLMChat.losses`."""
        losses, translated = self.told(members)
        return (*losses, *self.provider.losses(translated))
