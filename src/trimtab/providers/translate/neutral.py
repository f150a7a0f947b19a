"""A chat request in no wire's words: what every wire's reader gives and every writer takes.

`at` is the path of a thing in the caller's body, so that a writer whose wire has no word for it
can name it.
"""

from enum import StrEnum

from msgspec import Raw, Struct


class Role(StrEnum):
    """Who speaks in a turn."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


class Choice(StrEnum):
    """Whether a model calls tools."""

    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"
    TOOL = "tool"
    """The one that is named."""


class Inline(Struct, frozen=True):
    """A file in the request itself, in base64."""

    media_type: str
    data: str


class Link(Struct, frozen=True):
    """A file the provider fetches; Trimtab never does."""

    url: str


Source = Inline | Link


class Text(Struct, frozen=True):
    """Text of either side."""

    text: str


class Image(Struct, frozen=True):
    """A picture the model is shown."""

    source: Source
    at: str


class Document(Struct, frozen=True):
    """A PDF the model is shown."""

    source: Source
    title: str | None
    at: str


class ToolCall(Struct, frozen=True):
    """A call the model made; `arguments` are a JSON object, byte for byte."""

    id: str
    name: str
    arguments: Raw


Shown = Text | Image | Document


class ToolResult(Struct, frozen=True):
    """What came of a call."""

    call_id: str
    content: tuple[Shown, ...]
    failed: bool = False


Block = Shown | ToolCall | ToolResult


class Turn(Struct, frozen=True):
    """What one side says at once."""

    role: Role
    blocks: tuple[Block, ...]
    at: str


class Tool(Struct, frozen=True):
    """A tool the model may call; `schema` is the JSON schema of its arguments."""

    name: str
    description: str | None
    schema: Raw
    strict: bool | None


class ToolChoice(Struct, frozen=True):
    """Which tools shall be called; `name` belongs to `Choice.TOOL`."""

    choice: Choice = Choice.AUTO
    name: str = ""


class Ask(Struct, frozen=True, kw_only=True):
    """A chat request.

    Attributes:
        turns: The conversation; system texts are turns of their own, where they were said.
        parallel: Whether the model may call several tools at once.
        schema: JSON schema that the text of the answer must satisfy.
        effort: How hard the model shall think: `none`, or OpenAI's and Anthropic's shared words.
        end_user: The app's name for its user.
    """

    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel: bool = True
    max_tokens: int | None = None
    stops: tuple[str, ...] = ()
    temperature: float | None = None
    top_p: float | None = None
    schema: Raw | None = None
    effort: str | None = None
    end_user: str | None = None
