"""The tables of a tenant's state, as append-only migrations: the same DDL on every host.

A migration that has shipped never changes; a new one is appended. Times are microseconds, money micro-dollars.
"""

from __future__ import annotations

from worker.ports import Sql

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # One row a tenant: the number of its log, and the catalogue that the log's last STRUCTURE_UPDATEs made CANON.
        """CREATE TABLE tenant (
            log INTEGER PRIMARY KEY, tenant TEXT NOT NULL UNIQUE, catalogue_hash TEXT NOT NULL,
            created_us INTEGER NOT NULL
        )""",
        # spent + reserved <= cap + overrun, at every commit; cap NULL = no limit.
        """CREATE TABLE account (
            tenant TEXT NOT NULL, account TEXT NOT NULL, cap INTEGER,
            spent INTEGER NOT NULL, reserved INTEGER NOT NULL, overrun INTEGER NOT NULL,
            PRIMARY KEY (tenant, account)
        ) WITHOUT ROWID""",
        # state: denied | open | settled | unsettled. While it is open, `held` micro-dollars are reserved for attempt
        # number `attempt` on `route`, until `expires_us`; once `unsettled`, `held` is the part of `charged` that nobody
        # knows yet, until a late settlement corrects it. `charged` is what the attempts so far cost;
        # `entry_id` the ledger row that holds what `digest` hashes, `completion_id` the one that tells how it ended.
        # Rows are small and don't grow when they change: one that outgrows its page makes SQLite write its neighbours.
        """CREATE TABLE decision (
            tenant TEXT NOT NULL, decision_id TEXT NOT NULL, request_id TEXT NOT NULL, at_us INTEGER NOT NULL,
            state TEXT NOT NULL, route TEXT NOT NULL, attempt INTEGER NOT NULL, held INTEGER NOT NULL,
            expires_us INTEGER, charged INTEGER NOT NULL, accounts TEXT NOT NULL, session_id TEXT NOT NULL,
            user_id TEXT NOT NULL, digest TEXT NOT NULL, entry_id INTEGER NOT NULL, completion_id INTEGER NOT NULL,
            PRIMARY KEY (tenant, decision_id)
        ) WITHOUT ROWID""",
        "CREATE INDEX decision_held ON decision (expires_us) WHERE expires_us IS NOT NULL",
        """CREATE TABLE estimate (
            tenant TEXT NOT NULL, route TEXT NOT NULL, samples INTEGER NOT NULL, ratio_ppm INTEGER NOT NULL,
            failures INTEGER NOT NULL, open_until_us INTEGER NOT NULL,
            PRIMARY KEY (tenant, route)
        ) WITHOUT ROWID""",
        # id: log number and sequence number in one, so that a log is one run of rows and needs no second index.
        # evidence: the JSON whose digest the entry names, if there is any; it may be moved away by retention.
        """CREATE TABLE ledger (
            id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, seq INTEGER NOT NULL, at_us INTEGER NOT NULL,
            kind TEXT NOT NULL, entry TEXT NOT NULL, leaf_hash BLOB NOT NULL, evidence TEXT
        )""",
        # The outbox: a completed session's event is the evidence of its ledger entry, so neither is there without the
        # other. Within a tenant, ids grow in the order of commits.
        """CREATE VIEW outbox AS SELECT id, tenant, json_extract(evidence, '$.event_id') AS event_id, at_us,
            evidence AS event FROM ledger WHERE kind = 'SESSION_COMPLETION'""",
    ),
    (
        # id: the order of creation. document: the JSON text the covenant was made from, whose digest the ledger entry
        # `entry_id` holds. policy: what a request that names it is served under, without reading the document.
        """CREATE TABLE covenant (
            id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, covenant_id TEXT NOT NULL, created_us INTEGER NOT NULL,
            policy TEXT NOT NULL, document TEXT NOT NULL, entry_id INTEGER NOT NULL,
            UNIQUE (tenant, covenant_id)
        )""",
        "CREATE INDEX covenant_newest ON covenant (tenant, id)",
    ),
    (
        # terms: JSON text of `worker.tenants.limits.Terms`; NULL = none of its own.
        "ALTER TABLE tenant ADD COLUMN terms TEXT",
        # key_id: the stored key that asked, "" = a token of the host's. planned_tokens: in the buckets until settled.
        "ALTER TABLE decision ADD COLUMN key_id TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE decision ADD COLUMN planned_tokens INTEGER NOT NULL DEFAULT 0",
        # digest: hex SHA-256 of the token, which is nowhere. old_digest: of the token before the last rotation, until
        # old_until_us. Ids begin with the time of creation.
        """CREATE TABLE api_key (
            tenant TEXT NOT NULL, key_id TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, old_digest TEXT,
            old_until_us INTEGER, created_us INTEGER NOT NULL, rotated_us INTEGER, expires_us INTEGER,
            revoked_us INTEGER, terms TEXT,
            PRIMARY KEY (tenant, key_id)
        ) WITHOUT ROWID""",
        # subject: "" = the tenant, else a key. level in `worker.tenants.limits.UNIT`s, as it was at at_us.
        """CREATE TABLE bucket (
            tenant TEXT NOT NULL, subject TEXT NOT NULL, name TEXT NOT NULL, per_minute INTEGER NOT NULL,
            level INTEGER NOT NULL, at_us INTEGER NOT NULL,
            PRIMARY KEY (tenant, subject, name)
        ) WITHOUT ROWID""",
        # day: counted from 1970-01-01, UTC. charged: micro-dollars.
        """CREATE TABLE usage (
            tenant TEXT NOT NULL, key_id TEXT NOT NULL, day INTEGER NOT NULL, requests INTEGER NOT NULL,
            refused INTEGER NOT NULL, input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
            charged INTEGER NOT NULL,
            PRIMARY KEY (tenant, key_id, day)
        ) WITHOUT ROWID""",
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
