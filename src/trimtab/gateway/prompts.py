"""What applications read of the registry, from the worker's own snapshot: no store is asked."""

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import msgspec
from msgspec import Raw, Struct

from trimtab.control.prompts import Prompts
from trimtab.control.snapshot import Grant
from trimtab.domain.errors import (
    InvalidRequest,
    NotAPlainTemplate,
    NotAVersion,
    NotFound,
    PromptNotFound,
    TrimtabError,
)
from trimtab.domain.ids import Entropy
from trimtab.domain.model import Wire
from trimtab.domain.prompt import LABEL, PRODUCTION, Engine, PromptVersion
from trimtab.domain.rendering import NONCE_BYTES, Compiled
from trimtab.gateway import headers
from trimtab.gateway.errors import http_status
from trimtab.gateway.plain import read_body, send_json
from trimtab.gateway.prompt_events import PromptEvents
from trimtab.gateway.reply import Receive, Send
from trimtab.pipeline.admit import Identify
from trimtab.pipeline.compose import found

PREFIX = "/prompts"
ROUTES = (
    "GET /prompts",
    "GET /prompts/NAME",
    "GET /prompts/NAME/versions/VERSION",
    "GET /prompts/NAME/labels/LABEL",
    "GET /prompts/events",
    "POST /prompts/NAME/render",
)
OF_TRIMTAB = b"application/vnd.trimtab.prompt+json"
MAX_BODY = 16 << 20

Scope = Mapping[str, Any]


class Published(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A version as our SDK reads it; `content` is the text that `hash` covers."""

    name: str
    version: str
    hash: str
    shape_hash: str
    content: str
    label: str | None = None
    scope: str | None = None
    seq: int | None = None
    config_seq: int = 0
    yanked: str | None = None


class _Render(Struct, forbid_unknown_fields=True):
    version: str | None = None
    label: str | None = None
    tenant: str | None = None
    variables: dict[str, Any] = {}
    messages: list[Raw] = []


@dataclass(frozen=True, slots=True)
class PromptReads:
    """Answers `GET /prompts/...` and renders what only a server can.

    Attributes:
        compiled: Makes a version ready to render.
        events: Tells those who listen what moves.
        environment: Where this worker runs, for labels that point elsewhere there.
    """

    identify: Identify
    compiled: Callable[[PromptVersion], Compiled]
    events: PromptEvents
    environment: str
    entropy: Entropy

    def takes(self, path: str) -> bool:
        """Whether a path is one of these."""
        return path == PREFIX or path.startswith(PREFIX + "/")

    def drain(self) -> None:
        """Send those away who listen."""
        self.events.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            query = {
                name: values[-1]
                for name, values in parse_qs(scope["query_string"].decode("latin-1")).items()
            }
            parts = scope["path"].removeprefix(PREFIX).strip("/").split("/")
            if parts == ["events"] and scope["method"] == "GET":
                self._grant(scope, query.get("tenant"))
                await self.events(query, receive, send)
                return
            body = await read_body(receive, MAX_BODY) if scope["method"] == "POST" else b""
            status, head, data = self._answer(scope, parts, query, body)
        except TrimtabError as error:
            told = {"error": {"code": error.code, "message": str(error)}}
            status, head = http_status(error, Wire.OPENAI_CHAT), []
            data = msgspec.json.encode(told)
        await send_json(send, status, data, head)

    def _answer(
        self, scope: Scope, parts: list[str], query: Mapping[str, str], body: bytes
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        asked = _asked(body) if body else _Render()
        grant = self._grant(scope, query.get("tenant", asked.tenant))
        prompts, method = self.identify.snapshot().prompts, scope["method"]
        # Which other tenants there are, and what they are given, is not this key's business.
        seen = tuple(prompts.scopes(grant.tenant.id, self.environment))
        match method, parts:
            case "GET", [""]:
                return 200, [], msgspec.json.encode({"prompts": list(_listed(prompts, seen))})
            case "GET", [name]:
                return 200, [], msgspec.json.encode(_shown(prompts, name, seen))
            case "GET", [name, "versions", version]:
                return self._version(scope, prompts, name, version)
            case "GET", [name, "labels", label]:
                return self._label(prompts, name, label, grant.tenant.id)
            case "POST", [name, "render"]:
                return 200, [], self._rendered(prompts, name, asked, grant.tenant.id)
            case _:
                raise NotFound(f"{method} on this path is not served; there is {', '.join(ROUTES)}")

    def _version(
        self, scope: Scope, prompts: Prompts, name: str, number: str
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        if LABEL.fullmatch(number) is not None:
            raise NotAVersion(
                f"{number!r} is a label, and whoever reads a version may keep it for ever; read"
                f" /prompts/{name}/labels/{number}"
            )
        version = found(prompts, name, number)
        yank = prompts.yanked.get(version.ref)
        # Whoever has it checked it; but what is here may have been written over.
        content = version.read()
        head = [
            (b"etag", f'"{version.hash}"'.encode()),
            (b"cache-control", b"private, max-age=31536000, immutable"),
            (b"vary", b"accept"),
        ]
        if yank is not None:
            head.append((b"x-trimtab-yanked", _visible(yank.reason)))
        if _header(scope, b"accept") == OF_TRIMTAB:
            told = _published(version, yanked=yank.reason if yank else None)
            return 200, head, msgspec.json.encode(told)
        if content.template is None or content.engine is not Engine.TEMPLATE:
            raise NotAPlainTemplate(
                f"'{version.ref}' has messages or another engine, which this way of reading cannot"
                f" tell; ask with accept: {OF_TRIMTAB.decode()}, or use trimtab.sdk"
            )
        return 200, head, msgspec.json.encode(_as_file(version, content.template))

    def _label(
        self, prompts: Prompts, name: str, label: str, tenant: str
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        version, scope, seq = self._resolved(prompts, name, label, tenant)
        _ = version.read()
        told = _published(
            version, label=label, scope=scope, seq=seq, config_seq=self.events.feed.seq
        )
        head = [(b"cache-control", b"no-cache"), (b"etag", b'"%d"' % seq)]
        return 200, head, msgspec.json.encode(told)

    def _resolved(
        self, prompts: Prompts, name: str, label: str, tenant: str
    ) -> tuple[PromptVersion, str, int]:
        resolved = prompts.resolve(name, label, tenant=tenant, environment=self.environment)
        if resolved is None:
            raise PromptNotFound(
                f"label {label[:64]!r} of prompt {name[:64]!r} points nowhere; `trimtab prompts"
                f" show {name[:64]}` tells where labels point"
            )
        scope, pointed = resolved
        return found(prompts, name, pointed.label.version), scope, pointed.change.seq

    def _rendered(self, prompts: Prompts, name: str, asked: _Render, tenant: str) -> bytes:
        if asked.version is not None:
            version, label, scope = found(prompts, name, asked.version), None, None
        else:
            label = asked.label or PRODUCTION
            version, scope, _ = self._resolved(prompts, name, label, tenant)
        nonce = self.entropy(NONCE_BYTES)
        rendered = self.compiled(version).render(asked.variables, nonce=nonce)
        return msgspec.json.encode(
            {
                "name": version.name,
                "version": version.version,
                "hash": version.hash,
                "label": label,
                "scope": scope,
                "rendered_hash": rendered.rendered_hash,
                "messages": [*rendered.before, *asked.messages, *rendered.after],
            }
        )

    def _grant(self, scope: Scope, tenant: str | None) -> Grant:
        """Find whose key it is; the seed's client can send it as the password of a URL only."""
        basic = _header(scope, b"authorization")
        named = [pair for pair in scope["headers"] if pair[0] in headers.OF_KEYS]
        said = headers.read(named)
        key = said.key or _password(basic)
        return self.identify.grant(key, tenant)


def _asked(body: bytes) -> _Render:
    try:
        return msgspec.json.decode(body, type=_Render)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise InvalidRequest(
            "the body cannot be read; send {version or label, variables, messages}"
        ) from exc


def _listed(prompts: Prompts, seen: Sequence[str]) -> Iterator[Mapping[str, object]]:
    for name in sorted(prompts.versions):
        newest = prompts.newest(name)
        if newest is not None:
            yield {
                "name": name,
                "newest": newest.version,
                "description": newest.description,
                "labels": _labels(prompts, name, seen),
            }


def _shown(prompts: Prompts, name: str, seen: Sequence[str]) -> Mapping[str, object]:
    if name not in prompts.versions:
        raise PromptNotFound(f"there is no prompt {name[:64]!r}; GET /prompts lists them")
    return {
        "name": name,
        "labels": _labels(prompts, name, seen),
        "versions": [
            {
                "version": it.version,
                "hash": it.hash,
                "shape_hash": it.shape_hash,
                "yanked": it.ref in prompts.yanked,
            }
            for it in prompts.versions[name].values()
        ],
    }


def _labels(prompts: Prompts, name: str, seen: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
    labels = {
        label: {it: scoped[it].label.version for it in seen if it in scoped}
        for label, scoped in prompts.labels.get(name, {}).items()
    }
    return {label: scoped for label, scoped in labels.items() if scoped}


def _published(version: PromptVersion, **members: Any) -> Published:  # noqa: ANN401 -- the rest of it
    return Published(
        name=version.name,
        version=version.version,
        hash=version.hash,
        shape_hash=version.shape_hash,
        content=version.content,
        **members,
    )


def _as_file(version: PromptVersion, template: str) -> Mapping[str, object]:
    """Write a version as the seed's registry entry, which its client reads `template` of."""
    variables = version.read().variables
    return {
        "name": version.name,
        "version": version.version,
        "description": version.description,
        "owner": version.owner,
        "model_hint": version.model_hint,
        "required_vars": [name for name, it in variables.items() if it.required],
        "optional_vars": [name for name, it in variables.items() if not it.required],
        "template": template,
        "hash": version.hash,
    }


def _password(authorization: bytes) -> str:
    scheme, _, value = authorization.partition(b" ")
    if scheme.lower() != b"basic":
        return ""
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (ValueError, UnicodeDecodeError):
        return ""
    return password or user


def _header(scope: Scope, wanted: bytes) -> bytes:
    return next((value for name, value in scope["headers"] if name == wanted), b"")


def _visible(text: str) -> bytes:
    return text.encode("ascii", "replace").translate(None, bytes(range(32)))[:256]
