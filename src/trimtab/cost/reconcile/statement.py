"""What a provider tells about a span of days: tokens and money, by account, key and model."""

import re
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct

from trimtab.domain.adjustment import AT

_FAULT = re.compile(r"!.*")
_DATE = re.compile(r"[-@](\d{4}-\d{2}-\d{2}|\d{8})$")


class TokenClass(StrEnum):
    """Kinds of tokens that have a price of their own; `other` is money that is for no tokens."""

    INPUT = "input"
    CACHED = "cached"
    WRITE_5M = "cache_write_5m"
    WRITE_30M = "cache_write_30m"
    WRITE_1H = "cache_write_1h"
    WRITE_12H = "cache_write_12h"
    OUTPUT = "output"
    OTHER = "other"


class Used(Struct, frozen=True, kw_only=True):
    """Tokens of one kind of one model, of one key of an account, on one UTC day.

    Attributes:
        day: ISO date.
        key_id: The provider's id of the key; `None` if it does not say.
        model: As the provider names it.
    """

    day: str
    account: str
    key_id: str | None
    model: str
    token_class: TokenClass
    tokens: int


class Charged(Struct, frozen=True, kw_only=True):
    """Money for the same; `model` is empty if it is for none."""

    day: str
    account: str
    key_id: str | None
    model: str
    token_class: TokenClass
    nano: int


class Statement(Struct, frozen=True, kw_only=True):
    """Everything one provider told.

    Attributes:
        provider: Our name of it.
        incomplete: Why it may not be compared; `None` if it is whole.
        oddities: What is not as the provider documents it, and may be a change of unit.
    """

    provider: str
    used: tuple[Used, ...] = ()
    charged: tuple[Charged, ...] = ()
    incomplete: str | None = None
    oddities: tuple[str, ...] = ()


class Place(NamedTuple):
    """What is compared with what: `account` as `Ownership` labels it, `model` canonical."""

    day: str
    provider: str
    account: str
    model: str


def canonical(model: str) -> str:
    """Name a model as both sides can: without the maker before a slash, a date, or a fault."""
    plain = _FAULT.sub("", model.lower()).rpartition("/")[2]
    return _DATE.sub("", plain)


class Owned(Struct, frozen=True, kw_only=True):
    """One of our accounts at a provider.

    Attributes:
        account: The provider's id of the project or workspace; `default` has none.
        credential: Which of the provider's credentials uses it, by its reference, as ledger lines
            name it; `None` is any.
        place: How older lines name that credential: nothing for the first, else its place in the
            list. What that was when they were written, nobody knows any more.
        key_id: The provider's id of that credential; `None` if all keys of the account are ours.
    """

    account: str
    credential: str | None = None
    place: str = ""
    key_id: str | None = None

    def is_used_by(self, account: str) -> bool:
        """Whether the credential that a ledger line names uses it."""
        return self.credential is None or account in (self.credential, self.place)


class Label(NamedTuple):
    """How an account is called in a report, and whether it is ours."""

    name: str
    is_ours: bool


EVERYTHING = Label("all", is_ours=True)


class Ownership(Struct, frozen=True):
    """Which accounts and keys of a provider are ours; without any, all are, as one."""

    owned: tuple[Owned, ...] = ()

    def of_line(self, account: str) -> str:
        """Label the account of a ledger line."""
        if account.startswith(AT):
            return account.removeprefix(AT)
        if not self.owned:
            return EVERYTHING.name
        fitting = [it for it in self.owned if it.is_used_by(account)]
        return fitting[0].account if fitting else account

    def of_row(self, account: str, key_id: str | None) -> Label:
        """Label the account and key of a provider's row."""
        if not self.owned:
            return EVERYTHING
        here = [it for it in self.owned if it.account == account]
        if any(it.key_id is None or key_id in (None, it.key_id) for it in here):
            return Label(account, is_ours=True)
        return Label(f"{account}/{key_id}" if key_id else account, is_ours=False)
