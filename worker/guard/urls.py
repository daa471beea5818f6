"""Which URLs of tenants may be called: public addresses only, plainly written.

A URL is checked twice: as it is written, and, once its name is resolved, by every address it has. Whoever calls it then
connects to an address that was checked and asks nobody again, so that a name can't mean another machine the second time
(DNS rebinding); and it follows no redirect without checking it like this. What is written in a way that programs read
differently is refused, not interpreted. Nothing here resolves or connects.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from worker.errors import CallerError

MAX_URL_CHARACTERS: Final = 2_048
#: Special-use names that lead into somebody's own network, or nowhere (RFC 6761, 6762, 7686, 8375; ICANN's .internal).
_PRIVATE_NAMES: Final = frozenset(
    str.split("localhost local localdomain internal intranet lan home corp private arpa test invalid example onion alt")
)
_SPLIT: Final = re.compile(r"([a-z][a-z0-9+.-]*)://([^/?#]*)([/?#].*)?", re.ASCII | re.IGNORECASE)
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_PLAIN_IPV4: Final = re.compile(r"(?:(?:0|[1-9][0-9]{0,2})\.){3}(?:0|[1-9][0-9]{0,2})", re.ASCII)
_NUMBER: Final = re.compile(r"(?:0[xX])?[0-9a-fA-F]*", re.ASCII)
_DIGITS: Final = re.compile(r"[0-9]+", re.ASCII)
_FOLD: Final = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

#: Not public (IANA's special-purpose registries), and the address of Azure's metadata, which lies in a public range.
_CLOSED_IPV4: Final = tuple(
    ipaddress.IPv4Network(network)
    for network in str.split(
        "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 168.63.129.16/32 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 "
        "192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 "
        "240.0.0.0/4"
    )
)
#: Global unicast is all that is public; of it not what stands for an IPv4 address (Teredo, 6to4) or for documentation.
_OPEN_IPV6: Final = ipaddress.IPv6Network("2000::/3")
_CLOSED_IPV6: Final = tuple(
    ipaddress.IPv6Network(network) for network in str.split("2001::/23 2001:db8::/32 2002::/16 3fff::/20")
)


class UrlRefused(CallerError):
    """A URL that is not called. The message says why, and holds nothing of the URL but its host."""

    code = "url_refused"


@dataclass(frozen=True, slots=True)
class UrlRules:
    """What a URL may have. `ports` besides the scheme's own."""

    schemes: tuple[str, ...] = ("https",)
    ports: tuple[int, ...] = (8443,)


class CheckedUrl(NamedTuple):
    """A URL whose writing is all right. `address`: the host is this address itself; "" = a name to be resolved."""

    scheme: str
    host: str
    port: int
    target: str
    address: str


def check_url(text: str, rules: UrlRules) -> CheckedUrl:
    """The parts of a tenant's URL. Raises: UrlRefused, with what is wrong with it."""
    if len(text) > MAX_URL_CHARACTERS:
        raise UrlRefused(f"a URL may have {MAX_URL_CHARACTERS} characters")
    if not text.isascii() or any(character <= " " or character in '\\\x7f<>"^`{|}' for character in text):
        raise UrlRefused("a URL is written in plain ASCII without blanks; write another script's domain as xn--...")
    found = _SPLIT.fullmatch(text)
    if found is None:
        raise UrlRefused("a URL is written as https://host/path")
    scheme, authority = found[1].translate(_FOLD), found[2]
    if scheme not in rules.schemes:
        raise UrlRefused(f"the URL's scheme may be {' or '.join(rules.schemes)}")
    if "@" in authority:
        raise UrlRefused("a URL may not have a user name or a password in it")
    host, port = _host_and_port(authority, _DEFAULT_PORTS.get(scheme, 0))
    if port not in (_DEFAULT_PORTS.get(scheme), *rules.ports):
        raise UrlRefused(f"the URL's port {port} is not allowed")
    address = _address_of(host)
    if address is None:
        _check_name(host)
    else:
        check_address(address)
    target = found[3] or "/"
    return CheckedUrl(scheme, host, port, target if target.startswith("/") else f"/{target}", address or "")


def _host_and_port(authority: str, default_port: int) -> tuple[str, int]:
    host, port = authority, ""
    if authority.startswith("["):
        host, bracket, port = authority.partition("]")
        host += bracket
        if port and not port.startswith(":"):
            raise UrlRefused("there is something wrong behind the URL's address")
        port = port[1:]
    elif ":" in authority:
        host, _, port = authority.partition(":")
    if not host or "%" in host:
        raise UrlRefused("the URL has no plain host name")
    if not port:
        return host.translate(_FOLD), default_port
    if _DIGITS.fullmatch(port) is None or len(port) > 5 or not 0 < int(port) < 65_536:
        raise UrlRefused("the URL's port is no number from 1 to 65535")
    return host.translate(_FOLD), int(port)


def _address_of(host: str) -> str | None:
    """The address that a host is, or None for a name. Raises: UrlRefused for an address written in another way."""
    if host.startswith("["):
        try:
            return str(ipaddress.IPv6Address(host[1:-1]))
        except ValueError:
            raise UrlRefused("the URL's IPv6 address is none, or has a zone") from None
    if _PLAIN_IPV4.fullmatch(host):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise UrlRefused("the URL's IPv4 address is none") from None
    # Whatever ends in a number is read as an IPv4 address by some programs: 127.1, 0x7f000001, 2130706433, 1.2.3.4.
    last = host.rstrip(".").rpartition(".")[2]
    if _NUMBER.fullmatch(last) and ("0" <= last[:1] <= "9"):
        raise UrlRefused("write the URL's address with four plain decimal numbers")
    return None


def _check_name(host: str) -> None:
    labels = host.removesuffix(".").split(".")
    if len(host) > 253 or any(_LABEL.fullmatch(label) is None for label in labels):
        raise UrlRefused("the URL's host is no domain name")
    if len(labels) < 2 or labels[-1] in _PRIVATE_NAMES:
        raise UrlRefused(f"{host} is no public name")


def check_address(text: str) -> str:
    """The address itself, if it is public. Raises: UrlRefused for any other, and for what is no address."""
    if not is_public(text):
        raise UrlRefused("the URL leads to an address that is not public")
    return text


def is_public(text: str) -> bool:
    """Whether an address is reachable for everybody: no private, loopback, link-local, metadata or embedded one."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _CLOSED_IPV4)
    return (
        address.scope_id is None and address in _OPEN_IPV6 and not any(address in network for network in _CLOSED_IPV6)
    )


def choose_address(addresses: Iterable[str]) -> str:
    """The address to connect to, of all that a name has. Raises: UrlRefused if there is none, or one isn't public.

    One that is not public is enough: a name that leads into a private network as well is an attack, or a mistake.
    """
    found = [check_address(address) for address in addresses]
    if not found:
        raise UrlRefused("the URL's name has no address")
    return found[0]
