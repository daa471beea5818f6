"""The tables of a tenant's state, as append-only migrations: the same DDL on every host.

A migration that has shipped never changes; a new one is appended. Times are microseconds, money micro-dollars.
"""

from __future__ import annotations

from worker.ports import Sql

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # One row a tenant: which catalogue the last STRUCTURE_UPDATE entries of its log made CANON.
        """CREATE TABLE tenant (
            tenant TEXT PRIMARY KEY, catalogue_hash TEXT NOT NULL, created_us INTEGER NOT NULL
        ) WITHOUT ROWID""",
        # spent + reserved <= cap + overrun, at every commit; cap NULL = no limit.
        """CREATE TABLE account (
            tenant TEXT NOT NULL, account TEXT NOT NULL, cap INTEGER,
            spent INTEGER NOT NULL, reserved INTEGER NOT NULL, overrun INTEGER NOT NULL,
            PRIMARY KEY (tenant, account)
        ) WITHOUT ROWID""",
        # state: denied | open | settled | unsettled. While it is open, `held` micro-dollars are reserved for attempt
        # number `attempt` on `route`, until `expires_us`; once `unsettled`, `held` is the part of `charged` that nobody
        # knows yet, until a late settlement corrects it. `charged` is what the attempts so far cost; `outcome` the
        # settlement as JSON, empty until there is one; `seq` the ledger entry that holds what `digest` hashes. Rows are
        # small because they change: what never changes lies in the ledger.
        """CREATE TABLE decision (
            tenant TEXT NOT NULL, decision_id TEXT NOT NULL, request_id TEXT NOT NULL, at_us INTEGER NOT NULL,
            state TEXT NOT NULL, route TEXT NOT NULL, attempt INTEGER NOT NULL, held INTEGER NOT NULL,
            expires_us INTEGER, charged INTEGER NOT NULL, accounts TEXT NOT NULL, session_id TEXT NOT NULL,
            user_id TEXT NOT NULL, digest TEXT NOT NULL, seq INTEGER NOT NULL, outcome TEXT NOT NULL,
            PRIMARY KEY (tenant, decision_id)
        ) WITHOUT ROWID""",
        "CREATE INDEX decision_held ON decision (expires_us) WHERE expires_us IS NOT NULL",
        """CREATE TABLE estimate (
            tenant TEXT NOT NULL, route TEXT NOT NULL, samples INTEGER NOT NULL, ratio_ppm INTEGER NOT NULL,
            failures INTEGER NOT NULL, open_until_us INTEGER NOT NULL,
            PRIMARY KEY (tenant, route)
        ) WITHOUT ROWID""",
        # evidence: the canonical JSON whose digest the entry names, if there is any; it may be moved away by retention.
        """CREATE TABLE ledger (
            id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, seq INTEGER NOT NULL, at_us INTEGER NOT NULL,
            kind TEXT NOT NULL, entry TEXT NOT NULL, leaf_hash BLOB NOT NULL, evidence TEXT,
            UNIQUE (tenant, seq)
        )""",
        """CREATE TABLE outbox (
            id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, event_id TEXT NOT NULL, at_us INTEGER NOT NULL,
            event TEXT NOT NULL
        )""",
    ),
)


def migrate(sql: Sql) -> int:
    """Bring the tables up to date; returns how many migrations were applied now (none, most of the time)."""
    sql.execute("CREATE TABLE IF NOT EXISTS migration (version INTEGER PRIMARY KEY)")
    applied = sql.execute("SELECT COUNT(*) FROM migration")[0][0]
    assert isinstance(applied, int)
    for version in range(applied, len(MIGRATIONS)):
        for statement in MIGRATIONS[version]:
            sql.execute(statement)
        sql.execute("INSERT INTO migration (version) VALUES (?)", version + 1)
    return len(MIGRATIONS) - applied
