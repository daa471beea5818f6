"""What certificates have in common: one error, a seal over every member, and a comparison that names what differs.

The seal is the SHA3-256 of everything else in canonical form. It finds accidents and edits; who edits the inputs and
seals anew has made a certificate of another decision, which only a log that holds the digest of the first can tell.
"""

from __future__ import annotations

from typing import Any, Final

from worker.errors import CanonicalError, MalformedRequest
from worker.ledger.canonical import canonical_json
from worker.ports import Hasher

SEAL: Final = "digest"


class CertificateError(MalformedRequest):
    """A certificate that does not hold; `param` names the first member that is wrong."""


def fault(field: str, problem: str) -> CertificateError:
    """The error that a member is wrong."""
    return CertificateError(f"{field}: {problem}", param=field)


def digest_of(value: object, hasher: Hasher) -> str:
    """Hex SHA3-256 of the canonical JSON of a value. Raises: CanonicalError."""
    return hasher.sha3_256(canonical_json(value)).hex()


def sealed(body: dict[str, Any], hasher: Hasher) -> dict[str, Any]:
    """The body with its digest. Raises: CanonicalError."""
    return {**body, SEAL: digest_of(body, hasher)}


def open_seal(plain: object, members: tuple[str, ...], hasher: Hasher) -> dict[str, Any]:
    """The certificate, if it has exactly these members and the seal. Raises: CertificateError."""
    if type(plain) is not dict:
        raise fault("certificate", "is not an object")
    for name in (*members, SEAL):
        if name not in plain:
            raise fault(name, "is missing")
    for name in plain:
        if name != SEAL and name not in members:
            raise fault(str(name)[:64], "does not belong here")
    body = {name: value for name, value in plain.items() if name != SEAL}
    try:
        found = digest_of(body, hasher)
    except (CanonicalError, UnicodeEncodeError) as problem:
        raise fault("certificate", f"has no canonical form ({problem})") from None
    if found != plain[SEAL]:
        raise fault(SEAL, "is not that of the other members: one of them was changed")
    return body


def require_equal(said: object, derived: object, field: str) -> None:
    """Compare what is said with what follows from the inputs. Raises: CertificateError naming the first difference."""
    if type(said) is dict and type(derived) is dict:
        for name in derived:
            if name not in said:
                raise fault(f"{field}.{name}", "is missing")
        for name in said:
            if name not in derived:
                raise fault(f"{field}.{name}", "does not belong here")
            require_equal(said[name], derived[name], f"{field}.{name}")
    elif type(said) is list and type(derived) is list and len(said) == len(derived):
        for at, (one, other) in enumerate(zip(said, derived, strict=True)):
            require_equal(one, other, f"{field}[{at}]")
    elif type(said) is not type(derived) or said != derived:
        raise fault(field, "is not what follows from the inputs")


def require_order(keys: list[Any], ranking: list[Any], field: str) -> None:
    """Whether the ranking names every key's position once and goes upwards; one comparison for each.

    Args: keys: a key for each position, None for what may not be ranked. Raises: CertificateError.
    """
    admissible = sum(key is not None for key in keys)
    if type(ranking) is not list or len(ranking) != admissible:
        raise fault(field, "does not name every admissible candidate once")
    last = None
    for at, position in enumerate(ranking):
        key = keys[position] if type(position) is int and 0 <= position < len(keys) else None
        if key is None or (last is not None and not last < key):
            raise fault(f"{field}[{at}]", "is denied, or not the next best")
        last = key
