"""A registry that keeps the HTTP contract, in a thread, and fails on demand."""

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from trimtab.domain.prompt import Content, Engine, Message, PromptVersion, Role, Variable, digest

KEY = "tt_dev_key"
WHOLE = "application/vnd.trimtab.prompt+json"
TEXT = "You are a $persona. Use ONLY the context.\n\nCONTEXT:\n$context\n\nQUESTION:\n$question\n"

Fault = Callable[["Handler"], bool]
"""Answers in the registry's place; `False` leaves it to the registry."""


def variable(default: str | None = None, **schema: object) -> Variable:
    kind = {"type": "string", **schema}
    if default is None:
        return Variable(required=True, json_schema=kind)
    return Variable(required=False, json_schema=kind, default=default)


def rag(
    text: str = TEXT,
    *,
    variables: dict[str, Variable] | None = None,
    engine: Engine = Engine.TEMPLATE,
) -> Content:
    three = {
        "question": variable(minLength=1),
        "context": variable(maxLength=200_000),
        "persona": variable("technical assistant"),
    }
    return Content(
        template=text, engine=engine, variables=three if variables is None else variables
    )


def chat() -> Content:
    messages = (
        Message(role=Role.SYSTEM, content="Be brief, $name."),
        Message(placeholder="history"),
        Message(role=Role.USER, content="$question"),
    )
    return Content(
        messages=messages, variables={"name": variable("friend"), "question": variable()}
    )


def version(number: str, content: Content | None = None, name: str = "rag-answer") -> PromptVersion:
    content = content or rag()
    text = content.canonical()
    return PromptVersion(
        name=name,
        version=number,
        hash=digest(text),
        shape_hash=content.shape(),
        content=text,
        file="",
    )


class FakeRegistry:
    """State: versions, labels and the change log. `with` serves it.

    Attributes:
        fault: Answers in its place.
        asked: Method and target of each request.
        streams: Whether what happens is told to those who listen.
    """

    def __init__(self) -> None:
        self.versions: dict[str, PromptVersion] = {}
        self.labels: dict[tuple[str, str, str], tuple[str, int]] = {}
        self.blocked: set[str] = set()
        self.events: list[tuple[int, str, dict[str, Any]]] = []
        self.oldest = 0
        self.seq = 400
        self.known: int | None = None
        self.fault: Fault | None = None
        self.streams = True
        self.asked: list[str] = []
        self._changed = threading.Condition()
        self._stopped = False
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.registry = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        if not self._stopped:
            with self._changed:
                self._stopped = True
                self._changed.notify_all()
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    def publish(self, *versions: PromptVersion) -> None:
        for it in versions:
            self.versions[it.ref] = it
            self._happened("published", name=it.name, version=it.version)

    def move(self, number: str, label: str = "production", scope: str = "default") -> int:
        seq = self.seq + 1
        self.labels["rag-answer", label, scope] = (number, seq)
        return self._happened("moved", name="rag-answer", label=label, scope=scope, version=number)

    def unset(self, label: str = "production", scope: str = "default") -> None:
        del self.labels["rag-answer", label, scope]
        self._happened("moved", name="rag-answer", label=label, scope=scope, version=None)

    def block(self, ref: str) -> None:
        self.blocked.add(ref)
        name, _, number = ref.partition("@")
        self._happened("yanked", name=name, version=number)

    def count(self, part: str) -> int:
        return sum(part in it for it in self.asked)

    def _happened(self, kind: str, **data: object) -> int:
        with self._changed:
            self.seq += 1
            self.events.append((self.seq, kind, {"label": None, "scope": None, **data}))
            self._changed.notify_all()
            return self.seq

    def told(self, after: int) -> list[str]:
        return [
            f"id: {seq}\nevent: {kind}\ndata: {json.dumps({**data, 'seq': seq})}\n\n"
            for seq, kind, data in self.events
            if seq > after
        ]

    def wait(self, after: int) -> bool:
        with self._changed:
            ready = self._changed.wait_for(lambda: self._stopped or self.seq > after, 0.2)
            return ready and not self._stopped

    @property
    def stopped(self) -> bool:
        return self._stopped

    def answer(self, name: str, label: str, tenant: str | None) -> dict[str, Any] | None:
        for scope in (f"tenant:{tenant}", "default"):
            found = self.labels.get((name, label, scope))
            if found is not None:
                number, seq = found
                body = self.whole(self.versions[f"{name}@{number}"])
                config_seq = self.seq if self.known is None else self.known
                return {
                    **body,
                    "label": label,
                    "scope": scope,
                    "seq": seq,
                    "config_seq": config_seq,
                }
        return None

    def whole(self, it: PromptVersion) -> dict[str, Any]:
        return {
            "name": it.name,
            "version": it.version,
            "hash": it.hash,
            "shape_hash": it.shape_hash,
            "content": it.content,
            "yanked": None,
        }


class _Server(ThreadingHTTPServer):
    registry: FakeRegistry
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are no news."""


class Handler(BaseHTTPRequestHandler):
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base's name
        """Say nothing."""

    def do_GET(self) -> None:
        self._serve(self._get)

    def do_POST(self) -> None:
        self._serve(self._post)

    def reply(self, status: int, body: object, kind: str = "application/json") -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _serve(self, act: Callable[[], None]) -> None:
        registry = self.server.registry
        registry.asked.append(self.path)
        if registry.fault is not None and registry.fault(self):
            self.close_connection = True
            return
        if self.headers["authorization"] != f"Bearer {KEY}":
            self._refuse(401, "unauthenticated")
            return
        act()

    def _get(self) -> None:
        registry, parts = self.server.registry, urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        match [unquote(it) for it in parts.path.split("/")[1:]]:
            case ["prompts", "events"]:
                self._events(int(query["after"]), wait=query.get("wait") != "0")
            case ["prompts", name, "labels", label]:
                found = registry.answer(name, label, query.get("tenant"))
                self.reply(200, found) if found else self._refuse(404, "prompt_not_found")
            case ["prompts", name, "versions", number]:
                self._version(f"{name}@{number}")
            case _:
                self._refuse(404, "not_found")

    def _version(self, ref: str) -> None:
        registry = self.server.registry
        if ref in registry.blocked:
            self._refuse(410, "version_blocked")
        elif ref not in registry.versions or self.headers["accept"] != WHOLE:
            self._refuse(404, "prompt_not_found")
        else:
            self.reply(200, registry.whole(registry.versions[ref]))

    def _post(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if "question" not in asked["variables"]:
            self._refuse(400, "prompt_variables_invalid")
            return
        said = {"role": "user", "content": f"rendered: {asked['variables']['question']}"}
        self.reply(200, {"messages": [said, *asked["messages"]], "version": asked["version"]})

    def _events(self, after: int, *, wait: bool) -> None:
        registry = self.server.registry
        known = registry.seq if registry.known is None else registry.known
        reset = "event: reset\ndata: {}\n\n" if after < registry.oldest else ""
        hello = f'event: hello\ndata: {{"config_seq": {known}}}\n\n{reset}'
        if not wait:
            body = hello + "".join(registry.told(after))
            self.reply(200, body.encode(), "text/event-stream")
            return
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        self.close_connection = True
        self.wfile.write(hello.encode())
        while not registry.stopped:
            if registry.wait(after) and registry.streams:
                self.wfile.write("".join(registry.told(after)).encode())
                after = registry.seq
            else:
                self.wfile.write(b": ping\n\n")
                time.sleep(0.02)

    def _refuse(self, status: int, code: str) -> None:
        self.reply(status, {"error": {"code": code, "message": code}})
