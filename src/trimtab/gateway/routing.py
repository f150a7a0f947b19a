"""The routing members of each wire's request: all that Trimtab reads of a body to route it.

Everything else is the provider's business and keeps its bytes. What Trimtab cannot vouch for is
refused here: state that an account keeps for all tenants alike. Tools that run at the provider are
named, for not every tenant may use them.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Any

from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field
from semver import Version

from trimtab.domain.errors import InvalidRequest, PromptAmbiguous, Unsupported
from trimtab.domain.prompt import LABEL, MOST_VARIABLES, NAME
from trimtab.pipeline.handoff import PromptAsk

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


Given = Annotated[dict[str, Any], Meta(max_length=MOST_VARIABLES)]


class PromptMember(Struct, forbid_unknown_fields=True):
    """A prompt by its parts; `version` is a version or a label, which are never alike."""

    id: Short
    version: Short | None = None
    variables: Given | None = None


class TrimtabMember(Struct, forbid_unknown_fields=True):
    """The body member `trimtab`: ours, so a typo in it must not pass.

    Attributes:
        prompt: A prompt by its parts, or short: `rag-answer@3.2.0`, `rag-answer@production`.
        variables: Values for a prompt in the short form.
    """

    prompt: PromptMember | Short | None = None
    variables: Given | None = None
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

    model: Short | UnsetType = UNSET
    stream: bool | None = None
    tools: list[_Tool] | None = None
    trimtab: TrimtabMember | None = None

    @property
    def usage_asked(self) -> bool:
        """See above."""
        return True

    def prompts(self) -> Iterator[PromptMember]:
        """Name every prompt that the body names, in whatever way."""
        ours = self.trimtab
        if ours is None:
            return
        if isinstance(ours.prompt, str):
            name, _, version = ours.prompt.partition("@")
            yield PromptMember(name, version or None, ours.variables)
        elif ours.prompt is not None:
            yield ours.prompt

    def prompt(self) -> PromptAsk | None:
        """Read the prompt that the body names.

        Raises:
            PromptAmbiguous: it names two, or gives variables in two places.
            InvalidRequest: that is no name of a prompt, or a variable is no text or value.
        """
        named = list(self.prompts())
        loose = self.trimtab is not None and self.trimtab.variables is not None
        if not named:
            _check_alone(loose, "variables and no prompt; name one in `trimtab.prompt`")
            return None
        _check_alone(len(named) > 1, "two prompts; name one")
        by_parts = self.trimtab is None or not isinstance(self.trimtab.prompt, str)
        _check_alone(loose and by_parts, "variables in two places; give them in `prompt`")
        return _ask(named[0])

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

    def check(self, *, prompted: bool = False) -> None:
        """Refuse what no provider shall see. What a prompt brings need not be there.

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

    messages: list[Raw] | UnsetType = UNSET
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

    def check(self, *, prompted: bool = False) -> None:
        """See `Routing`."""
        _check_given(self.messages, "messages", prompted=prompted)


class OpenAIResponsesBody(_OfOpenAI, kw_only=True):
    """The routing members of a responses request."""

    input: str | list[_Item] | UnsetType = UNSET
    previous_response_id: Short | None = None
    background: bool | None = None
    conversation: Raw = Raw(b"null")
    native: PromptMember | None = field(name="prompt", default=None)

    def prompts(self) -> Iterator[PromptMember]:
        """See `Routing`."""
        if self.native is not None:
            yield self.native
        yield from super().prompts()

    @property
    def previous(self) -> str | None:
        """See `Routing`."""
        return self.previous_response_id

    def check(self, *, prompted: bool = False) -> None:
        """See `Routing`."""
        _check_given(self.input, "input", prompted=prompted)
        _check_served("background", self.background is True, "wait for the answer")
        _check_served("conversation", bytes(self.conversation) != b"null", "send its items")
        items = self.input if isinstance(self.input, list) else ()
        for number, item in enumerate(items):
            # The type of a reference may be left out, and then nothing but its id is there.
            by_reference = item.type == "item_reference" or not (item.type or item.role)
            _check_served(f"input[{number}]", by_reference, "send the item itself")


class OpenAIEmbeddingsBody(_OfOpenAI, kw_only=True):
    """The routing members of an embeddings request."""

    input: str | list[Raw] | UnsetType = UNSET

    def check(self, *, prompted: bool = False) -> None:
        """See `Routing`."""
        _check_served("trimtab.prompt", prompted, "send its text")
        _check_given(self.input, "input")
        _check_served("stream", self.stream is True, "vectors come whole")


class OpenAIModerationsBody(_OfOpenAI, kw_only=True):
    """The routing members of a moderations request; the default is OpenAI's own."""

    model: Short | UnsetType = "omni-moderation-latest"
    input: str | list[Raw] | UnsetType = UNSET

    def check(self, *, prompted: bool = False) -> None:
        """See `Routing`."""
        _check_served("trimtab.prompt", prompted, "send its text")
        _check_given(self.input, "input")
        _check_served("stream", self.stream is True, "verdicts come whole")


class AnthropicMessagesBody(Routing, kw_only=True):
    """The routing members of a messages request."""

    messages: list[Raw] | UnsetType = UNSET
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

    def check(self, *, prompted: bool = False) -> None:
        """See `Routing`."""
        _check_given(self.messages, "messages", prompted=prompted)


class AnthropicCountTokensBody(AnthropicMessagesBody, kw_only=True):
    """The routing members of a request to count tokens."""

    def check(self, *, prompted: bool = False) -> None:
        """See `Routing`."""
        _check_given(self.messages, "messages", prompted=prompted)
        _check_served("stream", self.stream is True, "a count comes whole")


def _check_given(
    value: str | list[Raw] | list[_Item] | UnsetType, name: str, *, prompted: bool = False
) -> None:
    if value is UNSET and not prompted:
        raise InvalidRequest(f"`{name}` is missing; add it", param=name)
    if not value and not prompted:
        raise InvalidRequest(f"`{name}` is empty; send something in it", param=name)


def _check_alone(asked: bool, what: str) -> None:  # noqa: FBT001 -- a table of them
    if asked:
        raise PromptAmbiguous(f"the body gives {what}", param="prompt")


def _check_served(name: str, asked: bool, remedy: str) -> None:  # noqa: FBT001 -- a table of them
    if asked:
        raise Unsupported(f"`{name}` is not served here; {remedy}", param=name)


def _ask(named: PromptMember) -> PromptAsk:
    at = named.version
    if NAME.fullmatch(named.id) is None:
        raise InvalidRequest(
            "the id of the prompt is no name of one; use a-z, 0-9, '.', '_' and '-'",
            param="prompt",
        )
    is_label = at is not None and LABEL.fullmatch(at) is not None
    if at is not None and not is_label and not Version.is_valid(at):
        raise InvalidRequest(
            "the version of the prompt is neither a version nor a label; write 1.0.0 or production",
            param="prompt",
        )
    variables = {name: _plain(value) for name, value in (named.variables or {}).items()}
    return PromptAsk(
        name=named.id,
        version=None if is_label else at,
        label=at if is_label else None,
        variables=variables,
    )


def _plain(value: object) -> object:
    """Read a variable as the Responses API has it: a text part is its text."""
    match value:
        case {"type": "input_text", "text": str(text)}:
            return text
        case {"type": "input_image" | "input_file"}:
            raise InvalidRequest(
                "images and files are not served as variables; send them as input", param="prompt"
            )
        case _:
            return value
