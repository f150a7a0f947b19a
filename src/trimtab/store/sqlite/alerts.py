"""Alerts in one SQLite file, `alerts.db`.

The keeper and commands write it, each time for microseconds, so it runs on the loop. A file of its
own: `records.db` has one writer, and commands must be able to silence.
"""

import sqlite3
from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from trimtab.domain.alert import Alert, Finding, Notice, NoticeKind, Outcome, Rule, Silence
from trimtab.domain.errors import TryLater
from trimtab.store.alerts import MOST, AlertFilter, AlertState, outcome
from trimtab.store.base.reading import Cursor
from trimtab.store.sqlite.connect import open_writer, transaction
from trimtab.store.statements import statements

_SQL = statements("sqlite/alerts")
_AFTER_ANY = "\x7f"
_IS_SILENT = {AlertState.OPEN: False, AlertState.SILENT: True}
_findings = msgspec.json.Decoder(Finding)
_silences = msgspec.json.Decoder(Silence)


class SqliteAlerts:
    """`store.alerts.AlertStore` over one file. State: the connection, opened when first needed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    async def save(self, alerts: Sequence[Alert], notices: Sequence[Notice] = ()) -> None:
        """See `Alerts.save`."""
        with self._opened() as connection, transaction(connection):
            connection.executemany(_SQL["save"], [_row(it) for it in alerts])
            connection.executemany(_SQL["tell"], [msgspec.structs.astuple(it) for it in notices])

    async def alerts(
        self,
        *,
        open_only: bool = False,
        rule: Rule | None = None,
        tenant_id: str | None = None,
        limit: int = MOST,
    ) -> tuple[Alert, ...]:
        """See `Alerts.alerts`."""
        asked = {"rule = ?": rule, "finding ->> '$.tenant_id' = ?": tenant_id}
        terms = {term: value for term, value in asked.items() if value is not None}
        where = [*terms, *(["resolved_us IS NULL"] if open_only else [])]
        sql = _SQL["alerts"].replace("/*where*/", " AND ".join(where) or "TRUE")
        with self._opened() as connection:
            rows = connection.execute(sql, (*terms.values(), limit)).fetchall()
        return tuple(_alert(row) for row in rows)

    async def page(
        self, where: AlertFilter, now_us: int, *, after: Cursor | None = None, limit: int
    ) -> tuple[Alert, ...]:
        """See `Alerts.page`."""
        wanted = {
            "rules": None if where.rules is None else _json(sorted(where.rules)),
            "tenant": where.tenant_id,
            "open": None if where.state is None else where.state is not AlertState.OVER,
            "silent": None if where.state is None else _IS_SILENT.get(where.state),
            "now": now_us,
            "after": None if after is None else after.ts_us,
            "after_id": None if after is None else after.request_id,
            "limit": limit,
        }
        with self._opened() as connection:
            return tuple(_alert(row) for row in connection.execute(_SQL["page"], wanted))

    async def find(self, alert_id: str) -> Alert | None:
        """See `Alerts.find`."""
        with self._opened() as connection:
            span = (alert_id, alert_id + _AFTER_ANY)
            rows = connection.execute(_SQL["find"], span).fetchall()
        return _alert(rows[0]) if len(rows) == 1 else None

    async def silence(self, alert_id: str, silence: Silence | None) -> bool:
        """See `Alerts.silence`."""
        kept = None if silence is None else _json(silence)
        with self._opened() as connection:
            return connection.execute(_SQL["silence"], (kept, alert_id)).rowcount == 1

    async def notices(self) -> tuple[Notice, ...]:
        """See `Notices.notices`."""
        with self._opened() as connection:
            rows = connection.execute(_SQL["notices"]).fetchall()
        return tuple(_notice(row) for row in rows)

    async def hold(self, notices: Sequence[Notice]) -> None:
        """See `Notices.hold`."""
        rows = [(it.due_us, it.tries, it.error, *_place(it)) for it in notices]
        with self._opened() as connection, transaction(connection):
            connection.executemany(_SQL["hold"], rows)

    async def told(self, notices: Sequence[Notice], at_us: int) -> None:
        """See `Notices.told`."""
        with self._opened() as connection, transaction(connection):
            for it in notices:
                if connection.execute(_SQL["told"], _place(it)).rowcount:
                    ended = msgspec.structs.astuple(outcome(it, at_us))
                    connection.execute(_SQL["ended"], ended)

    async def outcomes(self, alert_ids: Collection[str]) -> tuple[Outcome, ...]:
        """See `Notices.outcomes`."""
        with self._opened() as connection:
            rows = connection.execute(_SQL["outcomes"], (_json(list(alert_ids)),)).fetchall()
        return tuple(
            Outcome(alert_id=alert_id, route=route, kind=NoticeKind(kind), at_us=at_us, error=error)
            for alert_id, route, kind, at_us, error in rows
        )

    @contextmanager
    def _opened(self) -> Generator[sqlite3.Connection]:
        """Give the connection, and say in our words what SQLite says."""
        try:
            if self._connection is None:
                self._connection = open_writer(self._path, "alerts")
            yield self._connection
        except (sqlite3.Error, OSError) as exc:
            self.close()
            raise TryLater(
                f"the alerts in '{self._path}' cannot be used ({exc}); see that the disk is there,"
                " has room and may be written"
            ) from exc


def _row(alert: Alert) -> tuple[Any, ...]:
    stands = (alert.opened_us, alert.seen_us, alert.resolved_us, alert.told_us, alert.notices)
    return alert.id, alert.finding.rule, _json(alert.finding), *stands


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _alert(row: tuple[Any, ...]) -> Alert:
    alert_id, finding, opened_us, seen_us, resolved_us, told_us, notices, silence = row
    return Alert(
        id=alert_id,
        finding=_findings.decode(finding),
        opened_us=opened_us,
        seen_us=seen_us,
        resolved_us=resolved_us,
        told_us=told_us,
        notices=notices,
        silence=None if silence is None else _silences.decode(silence),
    )


def _notice(row: tuple[Any, ...]) -> Notice:
    alert_id, n, route, kind, due_us, tries, error = row
    return Notice(
        alert_id=alert_id,
        n=n,
        route=route,
        kind=NoticeKind(kind),
        due_us=due_us,
        tries=tries,
        error=error,
    )


def _place(notice: Notice) -> tuple[str, int, str]:
    return notice.alert_id, notice.n, notice.route
