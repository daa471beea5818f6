"""Who of the processes on this machine holds cursors, and whether they still live: the dead needn't be waited for."""

from __future__ import annotations

import os

from worker.ports import Ids, Sql
from worker.sessions.cursors import release_in


def _processes() -> str:
    """Which processes a number is one of: two containers that share a folder don't see each other's."""
    try:
        return str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:
        return ""


def new_holder(ids: Ids) -> str:
    """This process's name as a holder of cursors: no other process, before or after it, has the same."""
    return f"{_processes()}.{os.getpid()}.{ids.new('holder')[7:23]}"


def is_dead(holder: str) -> bool:
    """Whether the holder was a process of this machine that has ended. Of others nothing is known."""
    where, _, rest = holder.partition(".")
    number = rest.partition(".")[0]
    if not where or where != _processes() or not number.isdecimal():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False


def free_in(sql: Sql, dead: list[str]) -> None:
    """Let go of what these held."""
    for holder in dead:
        release_in(sql, holder)


def holders_in(sql: Sql) -> list[str]:
    """Who holds any cursor."""
    return [str(row[0]) for row in sql.execute("SELECT DISTINCT holder FROM destination WHERE holder <> ''")]
