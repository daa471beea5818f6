"""The Database port over one Durable Object's SQLite.

It decides how values cross between Python and JavaScript. The object is a single thread and `transactionSync` runs a
function to its end, so every transaction is serialisable. The runtime's output gate holds everything the object sends
until its writes are durable, so a value that leaves the object is a durable one.

A bound integer reaches SQLite as a double. A column or comparison with INTEGER affinity makes it an integer again, and
so does LIMIT; an expression of parameters alone doesn't, so `? / 2` must be written `CAST(? AS INTEGER) / 2`.

Source: https://developers.cloudflare.com/durable-objects/api/sqlite-storage-api/
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pyodide.ffi import JsException, create_proxy, jsnull, to_js

from worker.errors import StateError
from worker.ports import SqlRow, SqlValue

T = TypeVar("T")

MAX_INTEGER = 2**53 - 1  # JavaScript numbers are exact up to here
MAX_ROW_BYTES = 2_000_000  # the local runtime takes more, production doesn't


class DurableDatabase:
    """`worker.ports.Database` over the raw JS storage of a Durable Object."""

    def __init__(self, storage: Any) -> None:
        self._storage = storage
        self._sql = _DurableSql(storage.sql)

    async def transact(self, fn: Callable[[Any], T], *, patient: bool = False) -> T:
        """Run `fn` in one transaction; its exception rolls back and comes out unchanged. Raises: StateError.

        `patient` changes nothing here: the runtime itself gathers writes before its output gate.
        """
        # An exception that passes through JavaScript comes back as another one, so it is carried beside it.
        values: list[T] = []
        failures: list[BaseException] = []

        def attempt() -> None:
            try:
                values.append(fn(self._sql))
            except BaseException as exc:
                failures.append(exc)
                raise

        proxy = create_proxy(attempt)
        try:
            self._storage.transactionSync(proxy)
        except Exception as exc:
            if not failures:
                raise StateError(f"the transaction failed: {_describe(exc)}") from exc
        finally:
            proxy.destroy()
        if failures:
            raise failures[0]
        return values[-1]


class _DurableSql:
    """`worker.ports.Sql` inside a running transaction."""

    def __init__(self, sql: Any) -> None:
        self._exec = sql.exec

    def execute(self, statement: str, *parameters: SqlValue) -> list[SqlRow]:
        if sum(map(_size, parameters)) > MAX_ROW_BYTES:
            raise StateError(f"a row of more than {MAX_ROW_BYTES} bytes can't be stored")
        bound = [_to_js(value) for value in parameters]
        try:
            rows = self._exec(statement, *bound).raw().toArray().to_py()
        except JsException as exc:
            raise StateError(f"the database refused a statement: {_describe(exc)}") from exc
        return [tuple(_from_js(value) for value in row) for row in rows]


def _to_js(value: SqlValue) -> Any:
    if value is None:
        return jsnull
    if isinstance(value, int) and not isinstance(value, bool):
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise StateError("an integer beyond +-(2^53-1) can't be stored")
        return float(value)  # exact here, and always a JS number: the bridge turns some large ints into BigInt
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return to_js(value)
    raise StateError(f"a value of type {type(value).__name__} can't be stored")


def _size(value: SqlValue) -> int:
    """The bytes a text or blob takes. Raises: StateError for text that has no UTF-8 form."""
    if isinstance(value, bytes) or (isinstance(value, str) and value.isascii()):
        return len(value)
    try:
        return len(value.encode()) if isinstance(value, str) else 0
    except UnicodeEncodeError as exc:
        raise StateError("text with a lone surrogate can't be stored") from exc


def _from_js(value: Any) -> SqlValue:
    """A column's value; numbers arrive as JS doubles, and only exact integers are let through."""
    if value is jsnull or value is None:
        return None
    if isinstance(value, str | int):
        return value
    if isinstance(value, float):
        if not value.is_integer() or abs(value) > MAX_INTEGER:
            raise StateError("the database returned a number that is no integer within +-(2^53-1)")
        return int(value)
    return bytes(value)


def _describe(exc: Exception) -> str:
    """The first line of a JS error: SQLite's reason, which quotes identifiers but no bound value."""
    return str(exc).partition("\n")[0]
