"""The tables of a spool: captured events, and how far each destination has come with them; the same on every host.

A migration that has shipped never changes; a new one is appended. Times are microseconds since 1970.
"""

from __future__ import annotations

from worker.ports import Sql

SPOOL_MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # id: the order of capture, never given twice. key: what is kept in order (worker/sessions/partition.py).
        # source: own | reported. event: the text that is delivered, before any transform.
        """CREATE TABLE event (
            id INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, event_id TEXT NOT NULL,
            captured_us INTEGER NOT NULL, key TEXT NOT NULL, source TEXT NOT NULL, event TEXT NOT NULL
        )""",
        "CREATE UNIQUE INDEX event_once ON event (tenant, event_id)",
        # position: every event up to it is delivered, skipped by the routes, parked or dead. While `holder` holds the
        # cursor, until held_until_us, nobody else delivers there. failures: in a row, of the destination as a whole;
        # retry_us: it is left alone until then.
        """CREATE TABLE destination (
            name TEXT PRIMARY KEY, position INTEGER NOT NULL, holder TEXT NOT NULL, held_until_us INTEGER NOT NULL,
            failures INTEGER NOT NULL, retry_us INTEGER NOT NULL, delivered INTEGER NOT NULL,
            skipped INTEGER NOT NULL, delivered_us INTEGER, failed_us INTEGER, reason TEXT NOT NULL
        ) WITHOUT ROWID""",
        # An event that its destination failed on, and those of its key behind it: a row only for the exception.
        """CREATE TABLE parked (
            destination TEXT NOT NULL, id INTEGER NOT NULL, key TEXT NOT NULL, failures INTEGER NOT NULL,
            due_us INTEGER NOT NULL, reason TEXT NOT NULL,
            PRIMARY KEY (destination, id)
        ) WITHOUT ROWID""",
        "CREATE INDEX parked_key ON parked (destination, key, id)",
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
