"""The routing members of each wire's request: all that Trimtab reads of a body to route it.

Everything else is the provider's business and keeps its bytes. What Trimtab cannot vouch for is
refused here: state that an account keeps for all tenants alike. Tools that run at the provider are
named, for not every tenant may use them.
"""

import re
from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta, Raw, Struct

from trimtab.domain.errors import InvalidRequest, Unsupported

Short = Annotated[str, Meta(min_length=1, max_length=256)]
Tag = Annotated[str, Meta(max_length=64)]
UserId = Annotated[str, Meta(max_length=512)]

_RUN_BY_CALLERS = frozenset(
    {
        *("", "function", "custom", "apply_patch", "computer", "computer_use", "local_shell"),
        *("bash", "memory", "text_editor"),
    }
)
_VERSION = re.compile(r"(_preview)?(_\d{8}|_\d{4}_\d\d_\d\d)?$")
_NAMES = {"mcp_toolset": "mcp"}
_ASKS_NOTHING = (b"null", b"[]")


class TrimtabMember(Struct, forbid_unknown_fields=True):
    """The body member `trimtab`: ours, so a typo in it must not pass."""

    feature: Short | None = None
    user: UserId | None = None
    conversation: Short | None = None
    tags: Annotated[dict[Tag, Tag], Meta(max_length=16)] | None = None


class StreamOptions(Struct):
    """OpenAI's `stream_options`, as far as it concerns us."""

    include_usage: bool | None = None


class _Metadata(Struct):
    user_id: UserId | None = None


class _Item(Struct):
    type: str | None = None
    role: str | None = None


class _Tool(Struct):
    type: Annotated[str, Meta(max_length=256)] | None = None


class Routing(Struct, kw_only=True):
    """What every wire has.

    Attributes:
        usage_asked: Whether the stream shall tell usage; most wires tell it unasked.
        end_user: The app's name for its user.
        previous: The earlier answer that this request goes on from.
    """

    model: Short
    stream: bool | None = None
    tools: list[_Tool] | None = None
    trimtab: TrimtabMember | None = None

    @property
    def usage_asked(self) -> bool:
        """See above."""
        return True

    @property
    def end_user(self) -> str | None:
        """See above."""
        return None

    @property
    def previous(self) -> str | None:
        """See above."""
        return None

    def server_tools(self) -> Iterator[tuple[str, str]]:
        """Name the members that have a tool run at the provider, and the tool without version."""
        for number, tool in enumerate(self.tools or ()):
            name = _VERSION.sub("", tool.type or "")
            if name not in _RUN_BY_CALLERS:
                yield f"tools[{number}]", _NAMES.get(name, name)

    def check(self) -> None:
        """Refuse what no provider shall see.

        Raises:
            InvalidRequest: there is nothing to answer; `param` names the empty member.
            Unsupported: Trimtab does not serve a member.
        """


class _OfOpenAI(Routing, kw_only=True):
    user: UserId | None = None
    safety_identifier: UserId | None = None

    @property
    def end_user(self) -> str | None:
        """See `Routing`."""
        return self.safety_identifier or self.user


class OpenAIChatBody(_OfOpenAI, kw_only=True):
    """The routing members of a chat completion request."""

    messages: list[Raw]
    stream_options: StreamOptions | None = None
    web_search_options: Raw = Raw(b"null")

    @property
    def usage_asked(self) -> bool:
        """See `Routing`."""
        return self.stream_options is not None and self.stream_options.include_usage is True

    def server_tools(self) -> Iterator[tuple[str, str]]:
        """See `Routing`."""
        yield from super().server_tools()
        if bytes(self.web_search_options) not in _ASKS_NOTHING:
            yield "web_search_options", "web_search"

    def check(self) -> None:
        """See `Routing`."""
        _check_given(self.messages, "messages")


class OpenAIResponsesBody(_OfOpenAI, kw_only=True):
    """The routing members of a responses request."""

    input: str | list[_Item]
    previous_response_id: Short | None = None
    background: bool | None = None
    conversation: Raw = Raw(b"null")
    prompt: Raw = Raw(b"null")

    @property
    def previous(self) -> str | None:
        """See `Routing`."""
        return self.previous_response_id

    def check(self) -> None:
        """See `Routing`."""
        _check_given(self.input, "input")
        _check_served("background", self.background is True, "wait for the answer")
        _check_served("conversation", bytes(self.conversation) != b"null", "send its items")
        _check_served("prompt", bytes(self.prompt) != b"null", "send its text")
        items = () if isinstance(self.input, str) else self.input
        for number, item in enumerate(items):
            # The type of a reference may be left out, and then nothing but its id is there.
            by_reference = item.type == "item_reference" or not (item.type or item.role)
            _check_served(f"input[{number}]", by_reference, "send the item itself")


class OpenAIEmbeddingsBody(_OfOpenAI, kw_only=True):
    """The routing members of an embeddings request."""

    input: str | list[Raw]

    def check(self) -> None:
        """See `Routing`."""
        _check_given(self.input, "input")
        _check_served("stream", self.stream is True, "vectors come whole")


class OpenAIModerationsBody(_OfOpenAI, kw_only=True):
    """The routing members of a moderations request; the default is OpenAI's own."""

    model: Short = "omni-moderation-latest"
    input: str | list[Raw]

    def check(self) -> None:
        """See `Routing`."""
        _check_given(self.input, "input")
        _check_served("stream", self.stream is True, "verdicts come whole")


class AnthropicMessagesBody(Routing, kw_only=True):
    """The routing members of a messages request."""

    messages: list[Raw]
    metadata: _Metadata | None = None
    mcp_servers: Raw = Raw(b"null")

    def server_tools(self) -> Iterator[tuple[str, str]]:
        """See `Routing`."""
        yield from super().server_tools()
        if bytes(self.mcp_servers) not in _ASKS_NOTHING:
            yield "mcp_servers", "mcp"

    @property
    def end_user(self) -> str | None:
        """See `Routing`."""
        return self.metadata.user_id if self.metadata else None

    def check(self) -> None:
        """See `Routing`."""
        _check_given(self.messages, "messages")


class AnthropicCountTokensBody(AnthropicMessagesBody, kw_only=True):
    """The routing members of a request to count tokens."""

    def check(self) -> None:
        """See `Routing`."""
        _check_given(self.messages, "messages")
        _check_served("stream", self.stream is True, "a count comes whole")


def _check_given(value: str | list[Raw] | list[_Item], name: str) -> None:
    if not value:
        raise InvalidRequest(f"`{name}` is empty; send something in it", param=name)


def _check_served(name: str, asked: bool, remedy: str) -> None:  # noqa: FBT001 -- a table of them
    if asked:
        raise Unsupported(f"`{name}` is not served here; {remedy}", param=name)
