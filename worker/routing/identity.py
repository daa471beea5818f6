"""What a catalogue is known by: a hash over all of it, in which the providers' addresses are one digest.

Addresses are the operator's own business and decide nothing, but a change of one is a change of the catalogue. So
whoever is shown the catalogue without them, and their digest, can still work the hash out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from worker.errors import CatalogueError
from worker.ledger.canonical import canonical_json
from worker.routing.tables import Catalogue, parse_catalogue

_ADDRESS: Final = "default_base_url"
#: The member of the hashed form that stands for every address.
ADDRESSES: Final = "addresses"


def without_addresses(catalogue: Mapping[str, Any]) -> dict[str, Any]:
    """A catalogue's plain values as anybody may see them."""
    providers = [
        {name: value for name, value in provider.items() if name != _ADDRESS} for provider in catalogue["providers"]
    ]
    return {**catalogue, "providers": providers}


def hashed_form(catalogue: Mapping[str, Any], sha3_256: Callable[[bytes], bytes]) -> dict[str, Any]:
    """What the hash is taken of: the catalogue's plain values with one digest in the place of its addresses."""
    addresses = {provider["id"]: provider[_ADDRESS] for provider in catalogue["providers"]}
    return {**without_addresses(catalogue), ADDRESSES: sha3_256(canonical_json(addresses)).hex()}


def hash_of(catalogue: Mapping[str, Any], sha3_256: Callable[[bytes], bytes]) -> str:
    """The hash of a catalogue's plain values: hex SHA3-256."""
    return sha3_256(canonical_json(hashed_form(catalogue, sha3_256))).hex()


def catalogue_of(form: object) -> Catalogue:
    """The catalogue that a hashed form describes, its addresses empty. Raises: CatalogueError."""
    if type(form) is not dict or type(form.get("providers")) is not list or type(form.get(ADDRESSES)) is not str:
        raise CatalogueError("this is no catalogue without its addresses")
    providers = [
        {_ADDRESS: "", **provider} if type(provider) is dict and _ADDRESS not in provider else None
        for provider in form["providers"]
    ]
    others = {name: value for name, value in form.items() if name != ADDRESSES}
    return parse_catalogue({**others, "providers": providers})
