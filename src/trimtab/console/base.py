"""What the console works with, and what every page is handed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse

from trimtab.console.auth import Actor, Right, Sessions, Throttle
from trimtab.console.view import Views
from trimtab.control.models import Moves
from trimtab.control.snapshot import Snapshot, State
from trimtab.domain.change import Change, Source
from trimtab.domain.clock import Clock
from trimtab.domain.errors import InvalidRequest
from trimtab.domain.health import Ailing
from trimtab.domain.ids import Entropy, KeyId, TenantId
from trimtab.domain.keys import NewKey
from trimtab.domain.model import Provider, Target
from trimtab.store.base import Accounts, Acknowledgements, RecordFilter, RecordReader, RollupReader


class Configuration(Protocol):
    """What decides behaviour now, and how it came to be."""

    async def state(self) -> State:
        """Tell where every pointer stands."""
        ...

    async def snapshot(self) -> Snapshot:
        """Build the view that workers should run now."""
        ...

    async def history(self, *, before: int | None = None, limit: int = 50) -> tuple[Change, ...]:
        """List changes newest first; `before` leaves out that sequence number and all above."""
        ...


class Switches(Protocol):
    """The moves people on call make. Each is one change, and each refuses what is unknown."""

    async def suspend_tenant(
        self,
        tenant: TenantId,
        *,
        reason: str,
        author: str,
        source: Source,
        until_us: int | None = None,
    ) -> Change:
        """Throw the kill switch of a tenant."""
        ...

    async def resume_tenant(
        self,
        tenant: TenantId,
        *,
        reason: str,
        author: str,
        source: Source,
        expected_seq: int | None = None,
    ) -> Change:
        """Take a suspension back; with `expected_seq`, only that one."""
        ...

    async def undo(self, seq: int, *, reason: str, author: str, source: Source) -> Change:
        """Append the inverse of a change."""
        ...


class Keyring(Protocol):
    """Making and revoking keys."""

    # who, why and from where come with every change
    async def create_key(  # noqa: PLR0913
        self,
        tenant: TenantId,
        *,
        name: str,
        models: tuple[str, ...] | None,
        expires_us: int | None,
        reason: str,
        author: str,
        source: Source,
    ) -> NewKey:
        """Make a key; its text exists in the answer only."""
        ...

    async def revoke_key(self, key: KeyId, *, reason: str, author: str, source: Source) -> Change:
        """Revoke a key."""
        ...


class Control(Configuration, Switches, Keyring, Moves, Protocol):
    """All that the console does to the configuration."""


@dataclass(frozen=True, slots=True)
class Lag:
    """How far the recorder is behind one worker.

    Attributes:
        waiting_bytes: Bytes of the worker's spool that are not stored yet.
        running: Requests of the worker that have begun and, as far as is stored, not ended.
    """

    worker_id: str
    waiting_bytes: int
    running: int = 0


@dataclass(frozen=True, slots=True)
class Console:
    """Collaborators of the console and the admin API.

    Attributes:
        session_key: Signs sessions; at least 32 random bytes, the same after a restart.
        parse_filter: Reads the text form of a filter. Raises `InvalidRequest`.
        health: Tells how far each worker's spool has been stored.
        ailing: Lists the targets that workers leave alone.
        price: Tells what a target costs in USD per million tokens, input and output.
        admin_token_sha256: Hex SHA-256 of the token that opens the admin API without a login;
            `None` closes that way.
        secure_cookies: Whether browsers reach the console by HTTPS only.
    """

    records: RecordReader
    rollups: RollupReader
    control: Control
    accounts: Accounts
    acknowledgements: Acknowledgements
    clock: Clock
    entropy: Entropy
    session_key: bytes
    parse_filter: Callable[[str], RecordFilter]
    health: Callable[[], Sequence[Lag]]
    ailing: Callable[[], Sequence[Ailing]]
    price: Callable[[Provider, Target], tuple[str, str] | None]
    admin_token_sha256: str | None = None
    secure_cookies: bool = False


@dataclass(frozen=True, slots=True)
class Visit:
    """One request to the console, with everything a page may use.

    Attributes:
        actor: Who asks; `None` on pages that are open to all.
        body: What was posted, as it came.
    """

    console: Console
    sessions: Sessions
    throttle: Throttle
    views: Views
    request: Request
    actor: Actor | None
    body: bytes = b""

    @property
    def form(self) -> Mapping[str, str]:
        """Read the posted form; the last member of each name counts."""
        try:
            return dict(parse_qsl(self.body.decode(), keep_blank_values=True))
        except UnicodeDecodeError:
            raise InvalidRequest("the form is not UTF-8; send it as a browser does") from None

    @property
    def author(self) -> str:
        """Name for the change log."""
        return self.actor.name if self.actor else "unknown"

    @property
    def source(self) -> Source:
        """Where a change comes from: a program with the admin token, or a person."""
        is_program = self.actor is not None and self.actor.csrf is None
        return Source.API if is_program else Source.CONSOLE

    def may(self, right: Right) -> bool:
        """Whether the visitor holds a right."""
        return self.actor is not None and self.actor.may(right)

    def param(self, name: str) -> str:
        """Read a part of the path."""
        return str(self.request.path_params[name])

    def query(self, name: str) -> str:
        """Read a member of the query string; empty if it is not there."""
        return self.request.query_params.get(name, "").strip()

    def page(
        self, template: str, context: Mapping[str, object], *, status: int = 200
    ) -> HTMLResponse:
        """Answer with a filled template."""
        around = {
            "actor": self.actor,
            "csrf": self.actor.csrf if self.actor else None,
            "now_us": self.console.clock.now_us(),
            "path": self.request.url.path,
            "may_operate": self.may(Right.OPERATE),
            "may_read_content": self.may(Right.CONTENT),
        }
        return HTMLResponse(self.views.render(template, {**around, **context}), status)


def see_other(path: str) -> RedirectResponse:
    """Send a browser on after a change was made."""
    return RedirectResponse(path, 303)
