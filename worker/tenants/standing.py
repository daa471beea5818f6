"""What a request may do by who asks: the terms of its tenant and of its key, and the accounts it draws on.

A key is found by its id, which is no secret; what proves it is the SHA-256 of the whole token, compared in constant
time. Nothing here writes, so a name or a key that nobody knows leaves no trace in a tenant's state.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, NamedTuple

from worker.budget import Account, account_names, window_of
from worker.canon.interference_pools import FullPools
from worker.canon.store import missing_of
from worker.covenant.policy import Policy
from worker.ports import Sql
from worker.tenants.limits import NO_LIMITS, NO_TERMS, LimitSet, Terms, stored_terms

if TYPE_CHECKING:
    from worker.admission import Facts
    from worker.admitting import MediatorConfig

#: Why a key is not accepted; empty = it is.
UNKNOWN, REVOKED, EXPIRED = "unknown", "revoked", "expired"
#: Funds that are for one request: an account has the same name for each, and none is ever drawn on.
TENANT_REQUEST, KEY_REQUEST = "tenant_request", "key_request"


class Key(NamedTuple):
    """A stored key that was accepted."""

    key_id: str
    name: str
    terms: Terms


class Standing(NamedTuple):
    """The terms in force for one request. `cap`: the tenant's lifetime budget, micro-dollars; `limits`: its others.

    `key`: None for a token that the host was given. `missing_canon`: imported items of its canon below CANON.
    `ttv_models`: what its CANON models say of routes' times (`worker.canon.ttv_model`), as text. `full_pools`: those
    that its requests may not join now (`worker.canon.interference_pools`).
    """

    tenant: str
    cap: int | None
    limits: LimitSet
    key: Key | None = None
    providers: frozenset[str] | None = None
    models: frozenset[str] | None = None
    missing_canon: tuple[str, ...] = ()
    ttv_models: str = ""
    full_pools: FullPools = ()

    @property
    def counts(self) -> bool:
        """Whether anything but money is limited."""
        if self.limits is NO_LIMITS and self.key is None:
            return False
        return self.limits.counts or (self.key is not None and self.key.terms.limits.counts)

    @property
    def ceilings(self) -> tuple[Account, ...]:
        """What one request may cost at most, by whom that was said; shown as accounts, of which nothing is spent."""
        found = []
        for name, limits in self._of_both((TENANT_REQUEST, KEY_REQUEST)):
            if limits.request_usd_micros is not None:
                found.append(Account(name, limits.request_usd_micros, 0, 0))
        return tuple(found)

    def accounts(self, policy: Policy, at_us: int, covenant_id: str, user_id: str) -> dict[str, int | None]:
        """The accounts a request draws on, with their caps (`worker.budget.account_names`, and those of the limits).

        A key's own account is always there, so that a budget set later counts what was spent before.
        """
        limits = self.limits
        accounts = account_names(policy, self.cap, at_us, covenant_id)
        if limits is NO_LIMITS and self.key is None:
            return accounts
        key_id = self.key.key_id if self.key is not None else ""
        if self.key is not None:
            accounts[f"key:{key_id}"] = self.key.terms.limits.total_usd_micros
        for name, found in self._of_both(("tenant", "key")):
            own = f":{key_id}" if name == "key" else ""
            for unit, cap in (
                ("hour", found.hour_usd_micros),
                ("day", found.day_usd_micros),
                ("month", found.month_usd_micros),
            ):
                if cap is not None:
                    accounts[f"{name}_{unit}{own}:{window_of(unit, at_us)}"] = cap
            if found.user_day_usd_micros is not None:
                # Who sends no x-user-id is a user like any other: nobody gets around the limit by leaving it out.
                accounts[f"{name}_user_day{own}:{user_mark(user_id)}:{window_of('day', at_us)}"] = (
                    found.user_day_usd_micros
                )
        return accounts

    def _of_both(self, names: tuple[str, str]) -> list[tuple[str, LimitSet]]:
        """The limits of the tenant and of the key, if any is set, under one of two names."""
        found = [(names[0], self.limits)] if self.limits is not NO_LIMITS else []
        if self.key is not None and self.key.terms.limits is not NO_LIMITS:
            found.append((names[1], self.key.terms.limits))
        return found


def standing_of(
    config: MediatorConfig,
    tenant: str,
    terms: Terms = NO_TERMS,
    key: Key | None = None,
    missing_canon: tuple[str, ...] = (),
    ttv_models: str = "",
) -> Standing:
    """The terms in force: the tenant's own before those of the settings; what may be used, only what all allow."""
    limits = terms.limits.over(config.limits_of(tenant))
    cap = config.cap_of(tenant) if limits.total_usd_micros is None else limits.total_usd_micros
    providers = config.allowed.get(tenant) if config.allowed else None
    if terms is NO_TERMS and key is None:
        return Standing(tenant, cap, limits, None, providers, None, missing_canon, ttv_models)
    models: frozenset[str] | None = None
    for said in (terms, key.terms if key is not None else NO_TERMS):
        providers, models = _both(providers, said.providers), _both(models, said.models)
    return Standing(tenant, cap, limits, key, providers, models, missing_canon, ttv_models)


def user_mark(user_id: str) -> str:
    """What stands for a user in the name of an account."""
    return hashlib.sha256(user_id.encode()).hexdigest()[:32]


def _both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    """What both allow; None allows everything."""
    if one is None or other is None:
        return other if one is None else one
    return one & other


def standing_in(sql: Sql, config: MediatorConfig, facts: Facts) -> Standing:
    """The terms of a request whose key, if it has one, was accepted before."""
    return standing_by_id(sql, config, facts.tenant, facts.key_id)


def standing_by_id(sql: Sql, config: MediatorConfig, tenant: str, key_id: str) -> Standing:
    """The terms of a tenant and of its key of this id; "" = none."""
    rows = sql.execute("SELECT terms, canon_missing, ttv_models FROM tenant WHERE tenant = ?", tenant)
    key = None
    if key_id:
        found = sql.execute("SELECT name, terms FROM api_key WHERE tenant = ? AND key_id = ?", tenant, key_id)
        if found:
            key = Key(key_id, str(found[0][0]), stored_terms(found[0][1]))
    if not rows:
        return standing_of(config, tenant, NO_TERMS, key)
    terms, missing, ttv_models = rows[0]
    return standing_of(config, tenant, stored_terms(terms), key, missing_of(missing), str(ttv_models))


def check_key_in(sql: Sql, tenant: str, key_id: str, digest: str, at_us: int) -> tuple[Key | None, str]:
    """The key, or why it is not accepted. Args: digest: hex SHA-256 of the token.

    Whoever has the token of a key that ended is told so; without it, nobody learns which keys there are.
    """
    rows = sql.execute(
        """SELECT digest, old_digest, old_until_us, expires_us, revoked_us, name, terms FROM api_key
           WHERE tenant = ? AND key_id = ?""",
        tenant,
        key_id,
    )
    if not rows:
        return None, UNKNOWN
    now, old, old_until_us, expires_us, revoked_us, name, terms = rows[0]
    is_now = hmac.compare_digest(str(now), digest)
    is_old = hmac.compare_digest(str(old or ""), digest)
    if not is_now and not is_old:
        return None, UNKNOWN
    if revoked_us is not None:
        return None, REVOKED
    for still_needed, until_us in ((True, expires_us), (not is_now, old_until_us)):
        if still_needed and isinstance(until_us, int) and at_us >= until_us:
            return None, EXPIRED
    return Key(key_id, str(name), stored_terms(terms)), ""
