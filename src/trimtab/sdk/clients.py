"""The ordinary clients of OpenAI and Anthropic, led to the gateway, saying what a context says."""

from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Protocol

from trimtab.sdk.contexts import call_headers
from trimtab.sdk.telemetry import current

if TYPE_CHECKING:
    from anthropic import Anthropic, AsyncAnthropic
    from openai import AsyncOpenAI, OpenAI

RETRIES = "x-stainless-retry-count"


class Outgoing(Protocol):
    """A request of an HTTP client, before it is sent."""

    @property
    def headers(self) -> MutableMapping[str, str]:
        """Its headers, whose names know no case."""
        ...


def openai(**options: Any) -> "OpenAI":  # noqa: ANN401 -- those of the client
    """Make an `openai.OpenAI` that asks the gateway. Its options are its own.

    Raises:
        SettingsInvalid: `init` was not called.
    """
    import openai as module  # noqa: PLC0415 -- the app's, and slow

    return module.OpenAI(**_options("/v1", options, module.DefaultHttpxClient, _say))


def async_openai(**options: Any) -> "AsyncOpenAI":  # noqa: ANN401 -- as above
    """Make an `openai.AsyncOpenAI` that asks the gateway. See `openai`."""
    import openai as module  # noqa: PLC0415 -- as above

    said = _options("/v1", options, module.DefaultAsyncHttpxClient, _say_soon)
    return module.AsyncOpenAI(**said)


def anthropic(**options: Any) -> "Anthropic":  # noqa: ANN401 -- as above
    """Make an `anthropic.Anthropic` that asks the gateway. See `openai`."""
    import anthropic as module  # noqa: PLC0415 -- as above

    return module.Anthropic(**_options("", options, module.DefaultHttpxClient, _say))


def async_anthropic(**options: Any) -> "AsyncAnthropic":  # noqa: ANN401 -- as above
    """Make an `anthropic.AsyncAnthropic` that asks the gateway. See `openai`."""
    import anthropic as module  # noqa: PLC0415 -- as above

    said = _options("", options, module.DefaultAsyncHttpxClient, _say_soon)
    return module.AsyncAnthropic(**said)


def _options(
    path: str,
    options: dict[str, Any],
    make: Callable[[], Any],
    hook: Callable[[Outgoing], object],
) -> dict[str, Any]:
    """Have each request of the client's HTTP client pass the hook, also of one that is given."""
    ours = current()
    http_client = options.get("http_client") or make()
    hooks = http_client.event_hooks
    http_client.event_hooks = {**hooks, "request": [*hooks["request"], hook]}
    url = ours.url.rstrip("/") + path
    return {"base_url": url, "api_key": ours.key, **options, "http_client": http_client}


def _say(request: Outgoing) -> None:
    is_retry = request.headers.get(RETRIES, "0") != "0"
    for name, value in call_headers(is_retry=is_retry).items():
        request.headers.setdefault(name, value)


async def _say_soon(request: Outgoing) -> None:
    _say(request)
