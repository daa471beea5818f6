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
    (
        # canon_missing: the imported items below CANON, by commas; what admission has to know of the canon.
        "ALTER TABLE tenant ADD COLUMN canon_missing TEXT NOT NULL DEFAULT ''",
        # Whose tables were imported before items were kept imports them again, with its next request.
        "UPDATE tenant SET catalogue_hash = ''",
        # A view of the log: item is the canonical JSON of `worker.canon.items.item_to_plain` as entry_id left it.
        """CREATE TABLE canon_item (
            tenant TEXT NOT NULL, item_id TEXT NOT NULL, level TEXT NOT NULL, item TEXT NOT NULL,
            entry_id INTEGER NOT NULL,
            PRIMARY KEY (tenant, item_id)
        ) WITHOUT ROWID""",
        # Which entry denied an action, as the position-th of its denials. trace: JSON of `worker.canon.why_not`.
        """CREATE TABLE canon_denial (
            tenant TEXT NOT NULL, entry_id INTEGER NOT NULL, position INTEGER NOT NULL, action_id TEXT NOT NULL,
            trace TEXT NOT NULL,
            PRIMARY KEY (tenant, entry_id, position)
        ) WITHOUT ROWID""",
        "CREATE INDEX canon_denial_action ON canon_denial (tenant, action_id, entry_id)",
        # What was answered under an idempotency key. digest: of the request; answer: JSON text.
        """CREATE TABLE canon_answer (
            tenant TEXT NOT NULL, idempotency_key TEXT NOT NULL, digest TEXT NOT NULL, answer TEXT NOT NULL,
            entry_id INTEGER NOT NULL,
            PRIMARY KEY (tenant, idempotency_key)
        ) WITHOUT ROWID""",
        "CREATE INDEX canon_answer_oldest ON canon_answer (tenant, entry_id)",
        # The log's own changes of the canon, and its denials, without reading all that lies between them.
        "CREATE INDEX ledger_change ON ledger (id) WHERE kind = 'PROMOTION' OR kind = 'STRUCTURE_UPDATE'",
        "CREATE INDEX ledger_denied ON ledger (id) WHERE kind = 'DENY'",
    ),
    (
        # A full subtree of 256^level leaves of a log: a cache of what the leaves say (worker/ledger/tiles.py).
        """CREATE TABLE ledger_node (
            log INTEGER NOT NULL, level INTEGER NOT NULL, idx INTEGER NOT NULL, hash BLOB NOT NULL,
            PRIMARY KEY (log, level, idx)
        ) WITHOUT ROWID""",
        # text: the signed text of worker/ledger/checkpoint.py, as it was given out.
        """CREATE TABLE checkpoint (
            log INTEGER NOT NULL, size INTEGER NOT NULL, at_us INTEGER NOT NULL, text TEXT NOT NULL,
            PRIMARY KEY (log, size)
        ) WITHOUT ROWID""",
        # What opens the commitments in an entry's evidence; an erased row is gone. "" = the client named none.
        """CREATE TABLE personal (
            entry_id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, user_id TEXT NOT NULL, session_id TEXT NOT NULL,
            salt BLOB NOT NULL
        )""",
        "CREATE INDEX personal_user ON personal (tenant, user_id) WHERE user_id <> ''",
        "CREATE INDEX personal_session ON personal (tenant, session_id) WHERE session_id <> ''",
        # The entry that says up to where retention has dropped evidence, 0 = it never did.
        "ALTER TABLE tenant ADD COLUMN retention_id INTEGER NOT NULL DEFAULT 0",
        # The evidence holds commitments; what is delivered has the ids themselves, while they are known.
        "DROP VIEW outbox",
        """CREATE VIEW outbox AS SELECT l.id, l.tenant, json_extract(l.evidence, '$.event_id') AS event_id, l.at_us,
            CASE WHEN p.entry_id IS NULL THEN l.evidence ELSE json_set(l.evidence,
                '$.session.session_id', CASE p.session_id WHEN ''
                    THEN json_extract(l.evidence, '$.session.session_id') ELSE p.session_id END,
                '$.user.user_id', CASE p.user_id WHEN ''
                    THEN json_extract(l.evidence, '$.user.user_id') ELSE p.user_id END) END AS event
            FROM ledger l LEFT JOIN personal p ON p.entry_id = l.id
            WHERE l.kind = 'SESSION_COMPLETION' AND l.evidence IS NOT NULL""",
    ),
    (
        # plan: canonical JSON of what an agent is committed to; place: the entry's number in the log, which is its
        # turn; own_us: the time it was expected to take at at_us, when it was committed to.
        """CREATE TABLE commitment (
            tenant TEXT NOT NULL, agent TEXT NOT NULL, plan TEXT NOT NULL, place INTEGER NOT NULL,
            at_us INTEGER NOT NULL, own_us INTEGER NOT NULL, expires_us INTEGER NOT NULL,
            PRIMARY KEY (tenant, agent)
        ) WITHOUT ROWID""",
        # ttv_models: JSON text of `worker.canon.ttv_model`, the CANON items that say how long routes take; "" = none.
        "ALTER TABLE tenant ADD COLUMN ttv_models TEXT NOT NULL DEFAULT ''",
        # How much later others may still make an agent, in microseconds, out of what it granted.
        """CREATE TABLE slack (
            tenant TEXT NOT NULL, agent TEXT NOT NULL, left_us INTEGER NOT NULL,
            PRIMARY KEY (tenant, agent)
        ) WITHOUT ROWID""",
    ),
    (
        # What a provider's pool (`provider@pool`) last told of itself (`worker.routing.pool_waits.PoolReading`).
        """CREATE TABLE pool_reading (
            tenant TEXT NOT NULL, pool TEXT NOT NULL, mode TEXT NOT NULL, quantum_us INTEGER NOT NULL,
            switch_us INTEGER NOT NULL, turn_us INTEGER NOT NULL, neighbours INTEGER NOT NULL,
            busy_ppm INTEGER NOT NULL, read_us INTEGER NOT NULL,
            PRIMARY KEY (tenant, pool)
        ) WITHOUT ROWID""",
        # Beside samples and ratio over the catalogue's plan: those over what the answers' own readings predict.
        "ALTER TABLE estimate ADD COLUMN live_samples INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE estimate ADD COLUMN live_ratio_ppm INTEGER NOT NULL DEFAULT 1000000",
    ),
    (
        # Every session.completed of the log up to this entry is in a spool.
        "ALTER TABLE tenant ADD COLUMN relayed_id INTEGER NOT NULL DEFAULT 0",
        # Which of a spool's reported events an entry holds the Merkle root over (worker/sessions/batch_leaf.py). ids: a
        # JSON list of their numbers; leaves and salts: 32 bytes for each, in this order; an erased event's salt is 0.
        """CREATE TABLE reported (
            tenant TEXT NOT NULL, spool TEXT NOT NULL, last_id INTEGER NOT NULL, first_id INTEGER NOT NULL,
            entry_id INTEGER NOT NULL, ids TEXT NOT NULL, leaves BLOB NOT NULL, salts BLOB NOT NULL,
            PRIMARY KEY (tenant, spool, last_id)
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
