"""A log as lines that can be kept anywhere, and verified with nothing but themselves.

Each line is canonical JSON. The first says whose log it is, and which key signs its checkpoints; then come the entries
in order, each with its evidence, and if wanted with what opens its personal fields; a checkpoint stands right after the
last entry it has seen. docs/ledger.md has the format byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from worker.errors import CanonicalError, LedgerFault
from worker.ledger.audit import Audit, Report
from worker.ledger.canonical import canonical_json, parse_canonical
from worker.ledger.checkpoint import PUBLIC_KEY_BYTES, Checkpoint, checkpoint_from_text, key_id_of
from worker.ledger.entry import NOT_CANONICAL
from worker.ledger.personal import Opening
from worker.ports import Hasher

FORMAT: Final = "harpoon-ledger-export/v1"
BAD_LINE, TORN_LINE, SIGNATURE_INVALID = "BAD_LINE", "TORN_LINE", "SIGNATURE_INVALID"
_ENTRY_MEMBERS: Final[Mapping[str, type]] = {"entry": str, "evidence": str, "opening": dict}
_HEADER_MEMBERS: Final[Mapping[str, type]] = {"format": str, "public_key": str, "tenant": str}
_OPENING_MEMBERS: Final = frozenset(("user_id", "session_id", "salt"))

#: Whether a signature (64 bytes) is that of a public key (32 bytes) over a message: Ed25519, RFC 8032.
SignatureCheck = Callable[[bytes, bytes, bytes], bool]


def header_line(tenant: str, public_key: str | None) -> bytes:
    """The first line. Args: public_key: hex, of the key that signs checkpoints; None = none does."""
    return _line({"format": FORMAT, "tenant": tenant, **({"public_key": public_key} if public_key else {})})


def entry_line(entry: str, evidence: str | None, opening: dict[str, str] | None = None) -> bytes:
    """An entry's stored text, the text kept beside it, and what opens its personal fields."""
    members: dict[str, Any] = {"entry": entry}
    if evidence is not None:
        members["evidence"] = evidence
    if opening is not None:
        members["opening"] = opening
    return _line(members)


def checkpoint_line(text: str) -> bytes:
    """A checkpoint's text."""
    return _line({"checkpoint": text})


def verify_export(
    lines: Iterable[bytes],
    hasher: Hasher,
    is_signed: SignatureCheck,
    held: Sequence[Checkpoint] = (),
    public_key: bytes | None = None,
) -> Report:
    """Verify an export, as an iterator over its bytes' lines gives them, each with its line feed.

    Args: held: checkpoints of this log that were kept elsewhere; without one, a log that was cut short or written anew
    is not told from an honest one. public_key: the key that must have signed every checkpoint, None = the one that the
    export names, which shows that they belong together and not whose they are; then one that was kept may be of another
    key, from before it changed: its root is compared. Raises: nothing; the report tells.
    """
    reading = _Reading(hasher, is_signed, public_key)
    try:
        reading.begin(held, lines)
    except LedgerFault as fault:
        return (reading.audit or Audit(hasher)).report(fault)
    assert reading.audit is not None
    return reading.audit.report()


class _Reading:
    """An export on its way through verification."""

    def __init__(self, hasher: Hasher, is_signed: SignatureCheck, public_key: bytes | None) -> None:
        self._hasher = hasher
        self._is_signed = is_signed
        self._key = public_key
        self._is_given = public_key is not None
        self.audit: Audit | None = None

    def begin(self, held: Sequence[Checkpoint], lines: Iterable[bytes]) -> None:
        """Raises: LedgerFault."""
        iterator = iter(lines)
        header = _parsed(next(iterator, b""), None)
        if header.get("format") != FORMAT or not _fits(header, _HEADER_MEMBERS, {"format", "tenant"}):
            raise LedgerFault(BAD_LINE, f"the first line is not that of a {FORMAT}")
        named = _hex(header["public_key"], PUBLIC_KEY_BYTES) if "public_key" in header else self._key
        if self._key is not None and named != self._key:
            raise LedgerFault(SIGNATURE_INVALID, "the export names another key than the one that must have signed")
        self._key = named
        for checkpoint in held:
            # Whoever kept it vouches for it; another key than the export names may have signed it, before keys changed.
            if self._is_given or checkpoint.key_id == self._key_id():
                self.check_signature(checkpoint)
        self.audit = Audit(self._hasher, header["tenant"], held)
        self._read(iterator, self.audit)
        self.audit.finish()

    def _read(self, lines: Iterator[bytes], audit: Audit) -> None:
        for line in lines:
            found = _parsed(line, audit.size)
            if found.keys() == {"checkpoint"} and isinstance(found["checkpoint"], str):
                checkpoint = checkpoint_from_text(found["checkpoint"])
                self.check_signature(checkpoint)
                audit.meet(checkpoint)
            elif _fits(found, _ENTRY_MEMBERS, {"entry"}):
                audit.take(found["entry"], found.get("evidence"), None, _opening(found.get("opening"), audit.size))
            else:
                raise LedgerFault(BAD_LINE, "a line is neither an entry nor a checkpoint", audit.size)

    def check_signature(self, checkpoint: Checkpoint) -> None:
        """Raises: LedgerFault unless the key, where one is known, has signed it."""
        if self._key is None:
            return
        is_named = checkpoint.key_id == self._key_id()
        if not is_named or not self._is_signed(self._key, checkpoint.signed, checkpoint.signature):
            raise LedgerFault(SIGNATURE_INVALID, f"a checkpoint of {checkpoint.size} entries is not signed by the key")

    def _key_id(self) -> str:
        return "" if self._key is None else key_id_of(self._hasher.sha3_256, self._key)


def _line(members: dict[str, Any]) -> bytes:
    return canonical_json(members) + b"\n"


def _parsed(line: bytes, seq: int | None) -> dict[str, Any]:
    """Raises: LedgerFault for a line that breaks off, or is not canonical JSON of an object."""
    if not line.endswith(b"\n"):
        raise LedgerFault(TORN_LINE, "the last line breaks off; what comes before it has been verified", seq)
    try:
        found = parse_canonical(line[:-1])
    except CanonicalError:
        raise LedgerFault(NOT_CANONICAL, "a line is not canonical JSON", seq) from None
    if not isinstance(found, dict):
        raise LedgerFault(BAD_LINE, "a line is not a JSON object", seq)
    return found


def _fits(found: dict[str, Any], members: Mapping[str, type], required: set[str]) -> bool:
    """Whether all members are known and of their type, and none that is required is missing."""
    return required <= found.keys() and all(
        name in members and isinstance(value, members[name]) for name, value in found.items()
    )


def _opening(plain: dict[str, Any] | None, seq: int) -> Opening | None:
    if plain is None:
        return None
    if plain.keys() != _OPENING_MEMBERS or not all(isinstance(value, str) for value in plain.values()):
        raise LedgerFault(BAD_LINE, "what opens an entry is not user_id, session_id and salt", seq)
    return Opening(plain["user_id"], plain["session_id"], _hex(plain["salt"], None, seq))


def _hex(text: str, length: int | None, seq: int | None = None) -> bytes:
    """Lower-case hexadecimal digits as bytes. Raises: LedgerFault for anything else."""
    is_hex = not len(text) % 2 and not set(text) - set("0123456789abcdef")
    if not is_hex or (length is not None and len(text) != 2 * length):
        raise LedgerFault(BAD_LINE, "a value is not written in lower-case hexadecimal digits", seq)
    return bytes.fromhex(text)
