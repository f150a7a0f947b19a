"""The gateway that evaluations call, and a key for it.

One that is named, else that of the `trimtab up` which runs on the state directory, else one that
is started for the run and stopped after it.
"""

import asyncio
import os
import sys
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from trimtab import wiring
from trimtab.domain.change import Source
from trimtab.domain.errors import (
    IdempotencyDone,
    NotFound,
    ProviderError,
    ProviderTimeout,
    SettingsInvalid,
)
from trimtab.domain.evaluation import HEADER
from trimtab.domain.ids import TenantId
from trimtab.domain.money import parse_usd
from trimtab.domain.tenant import EVALS, KeyRight, KeyTerms
from trimtab.domain.transport import (
    Origin,
    Transport,
    TransportError,
    origin_of,
    render_head,
)
from trimtab.evals.calling import CONFLICT, OK, Reply
from trimtab.evals.paced import failure
from trimtab.providers.http1 import Http1Transport
from trimtab.wiring.start import announced, seen

CONNECT_S = 10.0
LONGEST_S = 900.0
START_S, STOP_S = 60.0, 60.0
LAST_LINES = 20
DAY_US = 86_400 * 1_000_000
KEY_VARIABLE = "TRIMTAB_API_KEY"


@dataclass(frozen=True, slots=True)
class Opened:
    """A gateway that can be called.

    Attributes:
        is_ours: Whether it is of the state directory, so that prompts can be published there.
    """

    url: str
    key: str
    is_ours: bool


class HttpGateway:
    """`evals.calling.Gateway`, and `evals.targets.Posting`, over HTTP."""

    def __init__(
        self, transport: Transport, url: str, key: str, feature: str | None = None
    ) -> None:
        """Call a gateway, for a feature if one is named.

        Raises:
            SettingsInvalid: that is no address of one.
        """
        self._transport = transport
        self._url = url.rstrip("/").removesuffix("/v1")
        of_feature = {} if feature is None else {"x-trimtab-feature": feature}
        self._headers = {"authorization": f"Bearer {key}", **of_feature}
        check_url(self._url)

    async def call(self, path: str, body: bytes, *, place: str) -> Reply:
        """See `Gateway.call`.

        Its idempotency key is made of place and body, so what a run that died had asked for, and
        the gateway still has, is not paid for again. Where nothing was kept, it is asked anew.
        """
        key = f"{place}/{sha256(body).hexdigest()}"
        headers = {**self._headers, HEADER: place, "idempotency-key": key}
        reply = await self.post(self._url + path, body, headers)
        if reply.status == CONFLICT and failure(reply).code == IdempotencyDone.code:
            headers["idempotency-key"] = f"{key}/again"
            reply = await self.post(self._url + path, body, headers)
        return reply

    async def get(self, path: str, accept: str) -> Reply:
        """GET a path of the gateway. Raises `UpstreamFailed`."""
        return await self._send("GET", self._url + path, b"", {**self._headers, "accept": accept})

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """See `Posting.post`."""
        return await self._send("POST", url, body, {**headers, "content-type": "application/json"})

    async def _send(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        netloc = urlsplit(url).netloc.rpartition("@")[2]
        origin, head = _origin(url), _head(method, url, headers)
        try:
            async with asyncio.timeout(LONGEST_S):
                response = await self._transport.send(
                    origin, head, body, connect_timeout_s=CONNECT_S
                )
                try:
                    data = await response.body()
                finally:
                    response.close()
        except TimeoutError as exc:
            raise ProviderTimeout(
                f"'{netloc}' did not answer within {LONGEST_S:g} s; look at it"
            ) from exc
        except TransportError as exc:
            raise ProviderError(f"'{netloc}' cannot be called ({exc})") from exc
        return _reply(response.status, dict(response.headers), data)


@asynccontextmanager
async def opened(
    home: Path, config: Path | None, run_id: str, author: str, *, url: str | None
) -> AsyncGenerator[tuple[Opened, HttpGateway]]:
    """Open the gateway for a run, with a key that is good for the run alone.

    Raises:
        SettingsInvalid: a gateway is named, and no key for it; or nobody pays for evaluations.
    """
    transport = Http1Transport()
    try:
        if url is not None:
            key = os.environ.get(KEY_VARIABLE)
            if not key:
                raise SettingsInvalid(
                    f"a gateway is named, and {KEY_VARIABLE} is not set; make a key there with"
                    f" `trimtab keys create --tenant {EVALS} --name evals --may evals`"
                )
            yield Opened(url, key, is_ours=False), HttpGateway(transport, url, key)
            return
        async with _at(home, config) as here, key_for(home, run_id, author) as key:
            yield Opened(here, key, is_ours=True), HttpGateway(transport, here, key)
    finally:
        transport.close()


@asynccontextmanager
async def _at(home: Path, config: Path | None) -> AsyncGenerator[str]:
    running = announced(home)
    if running is not None:
        yield running
        return
    more = [] if config is None else ["--config", str(config)]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "trimtab", "--supervised", "up", "--port", "0", "--json"),
        *("--home", str(home)),
        *more,
        # Never written to: it closes when we are gone, and then it stops, too.
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    said = deque[str](maxlen=LAST_LINES)
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    reading = [
        asyncio.create_task(_read(it, url, said))
        for it in (process.stdout, process.stderr)
        if it is not None
    ]
    try:
        yield await _started(url, reading, said)
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await asyncio.gather(process.wait(), *reading)
        except TimeoutError:
            process.kill()
            await asyncio.gather(process.wait(), *reading)


class _Named(Struct):
    model: str | None = None


class _Up(Struct):
    anthropic_base_url: str


async def _started(
    url: asyncio.Future[str], reading: Sequence[asyncio.Task[None]], said: Iterable[str]
) -> str:
    """Wait until it says where the gateway is, or says no more."""
    ended = asyncio.gather(*reading)
    _ = await asyncio.wait((url, ended), timeout=START_S, return_when=asyncio.FIRST_COMPLETED)
    if not url.done():
        raise SettingsInvalid(
            "no gateway could be started for the run; name one with --gateway, or look at what it"
            f" said:\n{''.join(said).rstrip()}"
        )
    return url.result()


async def _read(out: asyncio.StreamReader, url: asyncio.Future[str], said: deque[str]) -> None:
    """Read what it prints. The line with the address holds secrets, too, and is not kept."""
    while line := await out.readline():
        try:
            found = msgspec.json.decode(line, type=_Up).anthropic_base_url
        except (msgspec.DecodeError, UnicodeError):
            said.append(line.decode("utf-8", "replace"))
        else:
            if not url.done():
                url.set_result(found)


@asynccontextmanager
async def key_for(home: Path, run_id: str, author: str) -> AsyncGenerator[str]:
    """Make a key that may evaluate, good for as long as the block lasts, at most a day.

    Raises:
        SettingsInvalid: nobody pays for evaluations.
    """
    keyring = wiring.keyring(home)
    name = f"evals-{run_id.lower()}"
    terms = KeyTerms(
        name=name,
        tenant=TenantId(EVALS),
        may=(KeyRight.EVALS,),
        expires_us=wiring.SystemClock().now_us() + DAY_US,
    )
    try:
        made = await keyring.create(
            terms, reason=f"evaluation {run_id}", author=author, source=Source.SYSTEM
        )
    except NotFound as exc:
        raise SettingsInvalid(
            f"there is no tenant {EVALS!r}, which pays for evaluations; add it to `tenants`, with"
            " a budget"
        ) from exc
    await seen(home, (await keyring.control.snapshot()).config_seq)
    try:
        yield made.text
    finally:
        await keyring.revoke(
            made.id, reason=f"evaluation {run_id} ended", author=author, source=Source.SYSTEM
        )


def check_url(url: str) -> None:
    """Insist that a URL can be called. Raises `SettingsInvalid`."""
    _ = _origin(url), _head("POST", url, {})


def _origin(url: str) -> Origin:
    try:
        return origin_of(url, allow_private=True)
    except ValueError as exc:
        raise SettingsInvalid(f"'{url}' is {exc}; write http://host:port") from exc


def _head(method: str, url: str, headers: Mapping[str, str]) -> bytes:
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = parts.netloc.rpartition("@")[2]
    try:
        return render_head(method, path, [("host", host), *headers.items()])
    except ValueError as exc:
        raise SettingsInvalid(f"'{url}' cannot be called ({exc}); write http://host:port") from exc


def _reply(status: int, headers: Mapping[bytes, bytes], body: bytes) -> Reply:
    told = {name.decode("latin-1"): it.decode("latin-1") for name, it in headers.items()}
    # What an answer cost that was given before is not told again.
    cost = None if "x-trimtab-replayed" in told else told.get("x-trimtab-cost-usd")
    return Reply(
        status=status,
        body=body,
        request_id=told.get("x-trimtab-request-id"),
        cost_nano=None if cost is None else parse_usd(cost),
        model=_model(told.get("x-trimtab-target"), body) if status == OK else None,
        retry_after_s=_wait_s(told),
    )


def _wait_s(told: Mapping[str, str]) -> float | None:
    for name, per_s in (("retry-after-ms", 1000), ("retry-after", 1)):
        if told.get(name, "").isdigit():
            return int(told[name]) / per_s
    return None


def _model(target: str | None, body: bytes) -> str | None:
    """Name who answered: the provider that the gateway chose, and the model as that one says."""
    try:
        told = msgspec.json.decode(body, type=_Named).model
    except (msgspec.DecodeError, UnicodeError):
        told = None
    if target is None or told is None:
        return told or target
    provider = target.partition("/")[0]
    return f"{provider}/{told.removeprefix(provider + '/')}"
