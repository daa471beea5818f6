"""Personal fields in evidence: salted commitments in the log, and beside it what opens them, until it is erased.

What a client names (its user, its session) stands in evidence as `salted:` and the hex SHA3-256 of 0x02, 32 random
bytes, the field's name, a zero byte and the value. The salt and the value are a row of the table `personal`. While the
row is there, the commitment can be opened and checked; without it, neither the value nor a guess at it can be told from
the log, which is verified as before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from worker.ports import Hasher, Sql

COMMITMENT_PREFIX = b"\x02"
SEALED = "salted:"
SALT_BYTES = 32
#: Where a session.completed event has each field.
EVENT_PLACES: Mapping[str, tuple[str, str]] = {"user_id": ("user", "user_id"), "session_id": ("session", "session_id")}


class Opening(NamedTuple):
    """What opens the commitments of one entry; "" = the client named none."""

    user_id: str
    session_id: str
    salt: bytes

    def sealed(self, hasher: Hasher) -> tuple[str, str]:
        """The commitments to user and session; "" stays ""."""
        return (
            self.user_id and commitment(hasher, self.salt, "user_id", self.user_id),
            self.session_id and commitment(hasher, self.salt, "session_id", self.session_id),
        )


def commitment(hasher: Hasher, salt: bytes, field: str, value: str) -> str:
    """What stands for a personal value in the log."""
    committed = b"%b%b%b\x00%b" % (COMMITMENT_PREFIX, salt, field.encode(), value.encode())
    return SEALED + hasher.sha3_256(committed).hex()


def new_opening(sql: Sql, user_id: str, session_id: str) -> Opening | None:
    """What will open the commitments to these values, with a fresh salt; None if there is nothing to commit to."""
    if not user_id and not session_id:
        return None
    # The database is a port of the host's: its generator is seeded by the operating system.
    salt = sql.execute(f"SELECT randomblob({SALT_BYTES})")[0][0]
    assert isinstance(salt, bytes)
    return Opening(user_id, session_id, salt)


def keep_opening(sql: Sql, tenant: str, entry_id: int, opening: Opening) -> None:
    """Store what opens the commitments in the evidence of an entry."""
    sql.execute(
        "INSERT INTO personal (entry_id, tenant, user_id, session_id, salt) VALUES (?, ?, ?, ?, ?)",
        entry_id,
        tenant,
        opening.user_id,
        opening.session_id,
        opening.salt,
    )
