"""The tables of a spool: captured events, and how far each destination has come with them; the same on every host.

A migration that has shipped never changes; a new one is appended. Times are microseconds since 1970.
"""

from __future__ import annotations

from typing import Final

from worker.ports import Sql

#: Most ids that one row of `delivery` spans.
MAX_DELIVERY: Final = 1_000

SPOOL_MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # id: the order of capture, never given twice. key: what is kept in order (worker/sessions/partition.py).
        # source: own | reported. event: the text that is delivered, before any transform.
        """CREATE TABLE event (
            id INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, event_id TEXT NOT NULL,
            captured_us INTEGER NOT NULL, key TEXT NOT NULL, source TEXT NOT NULL, event TEXT NOT NULL
        )""",
        "CREATE UNIQUE INDEX event_once ON event (tenant, event_id)",
        # Each entry ends with the id: a tenant's newest events, and how many come after one, without reading any text.
        "CREATE INDEX event_of_tenant ON event (tenant)",
        # captured: in the ten seconds that are number `slot` since 1970; slot 0: ever, whatever was dropped since.
        """CREATE TABLE tally (
            tenant TEXT NOT NULL, slot INTEGER NOT NULL, captured INTEGER NOT NULL, PRIMARY KEY (tenant, slot)
        ) WITHOUT ROWID""",
        # position: every event up to it is delivered, skipped by the routes, parked or dead. While `holder` holds the
        # cursor, until held_until_us, nobody else delivers there. failures: in a row, of different keys, the last of
        # them failing_key; retry_us: it is left alone until then. off: why nothing is delivered, "" = it is. began: the
        # events ever captured less those that this destination is about.
        """CREATE TABLE destination (
            name TEXT PRIMARY KEY, position INTEGER NOT NULL, holder TEXT NOT NULL, held_until_us INTEGER NOT NULL,
            failures INTEGER NOT NULL, failing_key TEXT NOT NULL, retry_us INTEGER NOT NULL, delivered INTEGER NOT NULL,
            skipped INTEGER NOT NULL, delivered_us INTEGER, failed_us INTEGER, reason TEXT NOT NULL,
            off TEXT NOT NULL, began INTEGER NOT NULL
        ) WITHOUT ROWID""",
        # An event that its destination failed on, and those of its key behind it: a row only for the exception. due_us:
        # 2^53-1 for those behind, until they are the first of their key.
        """CREATE TABLE parked (
            destination TEXT NOT NULL, id INTEGER NOT NULL, key TEXT NOT NULL, failures INTEGER NOT NULL,
            due_us INTEGER NOT NULL, reason TEXT NOT NULL,
            PRIMARY KEY (destination, id)
        ) WITHOUT ROWID""",
        "CREATE INDEX parked_key ON parked (destination, key, id)",
        "CREATE INDEX parked_due ON parked (destination, due_us, id)",
        """CREATE TABLE dead_letter (
            destination TEXT NOT NULL, id INTEGER NOT NULL, failures INTEGER NOT NULL, reason TEXT NOT NULL,
            at_us INTEGER NOT NULL,
            PRIMARY KEY (destination, id)
        ) WITHOUT ROWID""",
        # When the events first_id..last_id were delivered, without those whose offsets from first_id `skipped` lists
        # (a JSON list of numbers): the routes or the sample left them out, or they were parked.
        """CREATE TABLE delivery (
            destination TEXT NOT NULL, first_id INTEGER NOT NULL, last_id INTEGER NOT NULL, at_us INTEGER NOT NULL,
            skipped TEXT NOT NULL,
            PRIMARY KEY (destination, first_id)
        ) WITHOUT ROWID""",
    ),
    (
        # One row. spool: a name that no other spool has; position: the reported events up to it are in their tenants'
        # ledgers, NULL = nobody has begun to bring them there.
        "CREATE TABLE ledgering (spool TEXT NOT NULL, position INTEGER)",
        "INSERT INTO ledgering (spool, position) SELECT lower(hex(randomblob(8))), NULL",
    ),
    (
        # entry: the number, in the tenant's log, of the last of its own sessions that came here.
        "CREATE TABLE brought (tenant TEXT PRIMARY KEY, entry INTEGER NOT NULL) WITHOUT ROWID",
        """INSERT INTO brought (tenant, entry) SELECT tenant, MAX(json_extract(event, '$.metadata.ledger_entry'))
            FROM event WHERE source = 'own' AND json_extract(event, '$.metadata.ledger_entry') IS NOT NULL
            GROUP BY tenant""",
        # How often somebody was erased from events.
        "ALTER TABLE ledgering ADD COLUMN erasures INTEGER NOT NULL DEFAULT 0",
    ),
)


def migrate_spool(sql: Sql) -> int:
    """Bring the tables up to date; returns how many migrations were applied now (none, most of the time)."""
    sql.execute("CREATE TABLE IF NOT EXISTS spool_migration (version INTEGER PRIMARY KEY)")
    applied = sql.execute("SELECT COUNT(*) FROM spool_migration")[0][0]
    assert isinstance(applied, int)
    for version in range(applied, len(SPOOL_MIGRATIONS)):
        for statement in SPOOL_MIGRATIONS[version]:
            sql.execute(statement)
        sql.execute("INSERT INTO spool_migration (version) VALUES (?)", version + 1)
    return len(SPOOL_MIGRATIONS) - applied
