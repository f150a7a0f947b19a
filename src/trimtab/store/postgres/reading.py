"""Reading records, content and sums of all hosts back from one Postgres."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from trimtab.store.base.limits import Spending
from trimtab.store.base.reading import Cursor, RecordFilter
from trimtab.store.base.recording import InLedger, SpoolPosition
from trimtab.store.content import Unseal, no_key
from trimtab.store.postgres.content import get
from trimtab.store.postgres.dialect import DIALECT
from trimtab.store.postgres.recording import of_host
from trimtab.store.postgres.session import Line, Session
from trimtab.store.relational.dialect import Connection, Dialect
from trimtab.store.relational.filtering import conditions
from trimtab.store.relational.reading import LONGEST_QUERY_S, Reading

_REMEDY = "narrow the question, or see that Postgres runs, can be reached from here and lets us in"
_SPARE_S = 2.0
_FOUND = "request_id IN (SELECT request_id FROM search WHERE words @@ CAST(? AS TSQUERY))"

_T = TypeVar("_T")


class PostgresReading(Reading):
    """`store.relational.reading.Reading` of a database of several hosts.

    State: the connection. A query that takes more than 5 s is given up.
    """

    def __init__(
        self,
        url: str,
        host: str,
        tenant_key: Callable[[str], bytes],
        dialect: Dialect = DIALECT,
    ) -> None:
        """Connect to nothing yet.

        Raises:
            SettingsInvalid: libpq does not understand the URL. It is not repeated.
        """
        super().__init__(dialect, tenant_key)
        self._prefix = f"{host}/"
        self._line = Line(url, patience_s=LONGEST_QUERY_S + _SPARE_S, prepare=_hurry)

    @property
    def exists(self) -> bool:
        """See `Reading.exists`: who connects first makes the tables."""
        return True

    def close(self) -> None:
        """See `Reading.close`."""
        self._line.close()

    async def spent(self, budgets: Sequence[Spending]) -> InLedger:
        """See `Reading.spent`: by all hosts; the spools are those of this one."""
        found = await super().spent(budgets)
        return found._replace(places=of_host(self._prefix, found.places))

    async def positions(self) -> tuple[SpoolPosition, ...]:
        """See `Reading.positions`: those of this host."""
        return of_host(self._prefix, await super().positions())

    async def do(self, work: Callable[[Connection], _T]) -> _T:
        """See `Reading.do`."""
        return await self._line.do(work, _REMEDY)

    async def stored(
        self, tenant_id: str, ts_us: int, ref: bytes, unseal: Unseal = no_key
    ) -> bytes | None:
        """See `Reading.stored`."""
        return await self.do(lambda it: get(it, tenant_id, ts_us, ref, unseal))

    def listed(
        self,
        connection: Connection,
        name: str,
        where: RecordFilter,
        after: Cursor | None,
        limit: int,
    ) -> list[Any]:
        """See `Reading.listed`."""
        made, values = conditions(self.dialect, where, after)
        if where.phrases:
            made += f" AND {_FOUND}"
            values.append(" & ".join(map(_phrase, where.phrases)))
        return self.run(connection, name, made, (*values, limit))


def _phrase(words: Sequence[str]) -> str:
    """Write a phrase as a tsquery; words are letters and digits, so nothing in them is syntax."""
    return f"({' <-> '.join(words)})"


def _hurry(session: Session) -> None:
    session.execute(f"SET statement_timeout = {round(LONGEST_QUERY_S * 1000)}")
