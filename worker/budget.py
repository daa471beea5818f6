"""Accounts: money held before it is spent, inside the mediator's transaction.

Invariant at every commit, for every account with a cap: spent + reserved <= cap + overrun. The database is the arbiter:
transactions are serialised, and nothing read here outlives the one it was read in.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from worker.canon.gates import Funds
from worker.covenant.policy import Policy
from worker.errors import StateError
from worker.ports import Sql

TENANT_ACCOUNT = "tenant"
COVENANT_ACCOUNT = "covenant"
REQUEST_BUDGET = "request"
#: Left of an account without a cap; larger than any budget a covenant may name.
UNLIMITED = 2**53 - 1
_HOUR_US = 3_600_000_000
_DAY_US = 24 * _HOUR_US
#: The windows a covenant's budget may be for.
_UNITS = {"per_hour": "hour", "per_day": "day", "per_month": "month"}


class Account(NamedTuple):
    """One account a request draws on; `cap` None = no limit. Micro-dollars."""

    account: str
    cap: int | None
    spent: int
    reserved: int
    exists: bool = True

    @property
    def kind(self) -> str:
        """The account without its window or covenant: a decision names no time and no id, so that equals are equal."""
        return self.account.partition(":")[0]

    @property
    def left(self) -> int:
        return UNLIMITED if self.cap is None else self.cap - self.spent - self.reserved


def account_names(policy: Policy, tenant_cap: int | None, at_us: int, covenant_id: str = "") -> dict[str, int | None]:
    """The accounts a request draws on, with their caps: the tenant's, and the window a covenant names.

    A window counts what was spent under covenants that name it; windows are UTC. A stored covenant has accounts of its
    own: one for its lifetime, whose cap is its bare budget, and its windows.
    """
    accounts: dict[str, int | None] = {TENANT_ACCOUNT: tenant_cap}
    prefix, budget = "", policy.budget_usd_micros
    if covenant_id:
        lifetime = f"{COVENANT_ACCOUNT}:{covenant_id}"
        accounts[lifetime] = budget if policy.budget_scope in (None, "total") else None
        prefix = f"{lifetime}:"
    unit = _UNITS.get(policy.budget_scope or "")
    if unit is not None:
        accounts[f"{prefix}{unit}:{window_of(unit, at_us)}"] = budget
    return accounts


def window_of(unit: str, at_us: int) -> str:
    """The hour or day (counted from 1970) or the month (`YYYY-MM`) of a time, UTC."""
    if unit == "month":
        return _month(at_us // _DAY_US)
    return str(at_us // (_HOUR_US if unit == "hour" else _DAY_US))


def covenant_of(accounts: list[str]) -> str:
    """The stored covenant on whose accounts a decision draws, by the accounts' names; "" for none."""
    for name in accounts:
        kind, _, rest = name.partition(":")
        if kind == COVENANT_ACCOUNT:
            return rest.partition(":")[0]
    return ""


def _month(day: int) -> str:
    """`YYYY-MM` of a day counted from 1970-01-01 (Hinnant, "chrono-compatible low-level date algorithms")."""
    shifted = day + 719_468
    era, day_of_era = divmod(shifted, 146_097)
    year_of_era = (day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_from_march = (5 * day_of_year + 2) // 153
    month = month_from_march + 3 if month_from_march < 10 else month_from_march - 9
    return f"{year_of_era + era * 400 + (month <= 2)}-{month:02d}"


def read_accounts(sql: Sql, tenant: str, names: dict[str, int | None]) -> list[Account]:
    """The named accounts as they stand, in the given order; one never used stands at zero."""
    marks = ",".join("?" * len(names))
    rows = sql.execute(
        f"SELECT account, spent, reserved FROM account WHERE tenant = ? AND account IN ({marks})", tenant, *names
    )
    found = {row[0]: (row[1], row[2]) for row in rows}
    accounts = []
    for name, cap in names.items():
        spent, reserved = found.get(name, (0, 0))
        assert isinstance(spent, int)
        assert isinstance(reserved, int)
        accounts.append(Account(name, cap, spent, reserved, name in found))
    return accounts


def funds_of(policy: Policy, accounts: list[Account]) -> tuple[Funds, ...]:
    """What a request may spend: its own budget, and what is left in each account.

    A bare amount is for this request, but that of a stored covenant for the covenant's lifetime.
    """
    funds = [Funds(account.kind, max(0, account.left)) for account in accounts if account.cap is not None]
    stored = any(account.kind == COVENANT_ACCOUNT for account in accounts)
    of_request = ("per_request",) if stored else (None, "total", "per_request")
    if policy.budget_usd_micros is not None and policy.budget_scope in of_request:
        funds.insert(0, Funds(REQUEST_BUDGET, policy.budget_usd_micros))
    return tuple(funds)


def reserve(sql: Sql, tenant: str, accounts: list[Account], amount: int) -> None:
    """Hold `amount` in every account, which must have been read in this same transaction.

    Raises: StateError if one can't bear it; the gates have said it can.
    """
    for account in accounts:
        if account.exists and not amount:
            continue  # a free route takes nothing, even from an account that an overrun has emptied
        if account.cap is not None and amount > account.left:
            raise StateError(f"the account {account.account} can't hold another {amount} micro-dollars")
        if account.exists:
            sql.execute(
                "UPDATE account SET reserved = reserved + ?, cap = ? WHERE tenant = ? AND account = ?",
                amount,
                account.cap,
                tenant,
                account.account,
            )
        else:
            sql.execute(
                """INSERT INTO account (tenant, account, cap, spent, reserved, overrun) VALUES (?, ?, ?, 0, ?, 0)""",
                tenant,
                account.account,
                account.cap,
                amount,
            )


def release(sql: Sql, tenant: str, accounts: list[str], amount: int, cost: int) -> None:
    """Turn a reservation into spending: `cost` may be less than `amount`, or more, and the excess is an overrun."""
    for account in accounts:
        sql.execute(
            """UPDATE account SET reserved = reserved - ?, spent = spent + ?, overrun = overrun + ?
               WHERE tenant = ? AND account = ?""",
            amount,
            cost,
            max(0, cost - amount),
            tenant,
            account,
        )


def encode_accounts(accounts: list[Account]) -> str:
    return "[" + ",".join([f'"{account.account}"' for account in accounts]) + "]"


def decode_accounts(text: str) -> list[str]:
    names: list[str] = json.loads(text)
    return names
