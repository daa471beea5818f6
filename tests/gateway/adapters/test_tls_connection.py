"""TLS towards providers: who is believed to be the host, and that nothing is sent to anybody else."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.adapters.connection_pool import Address
from gateway.adapters.provider_transport import ProviderTransport
from tests.contracts.exchanging import exchange, post
from tests.contracts.misbehaving_server import read_request
from worker.ports import NotSent

DAY = datetime.timedelta(days=1)


class Authority:
    """A certificate authority of one's own, with its files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority")])
        certificate = self._certificate(self._name, self._key, x509.BasicConstraints(ca=True, path_length=None))
        self.file = folder / "authority.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def server(self, host: str, from_day: int = -1, to_day: int = 1) -> ssl.SSLContext:
        """What a server of this name, or address, says of itself, from one day to another counted from today."""
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            named: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            named = x509.DNSName(host)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a server")])
        names = x509.SubjectAlternativeName([named])
        certificate = self._certificate(subject, key, names, from_day, to_day)
        file = self._folder / "server.pem"
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + secret)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _certificate(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        extension: x509.ExtensionType,
        from_day: int = -1,
        to_day: int = 1,
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).add_extension(extension, critical=False)
        builder = builder.not_valid_before(now + from_day * DAY).not_valid_after(now + to_day * DAY)
        return builder.sign(self._key, hashes.SHA256())


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def here(host: str, port: int) -> list[Address]:
    """Every name is this machine."""
    return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))]


@contextlib.asynccontextmanager
async def listening(context: ssl.SSLContext, heads: list[bytes]) -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                heads.append(await read_request(reader))
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.mark.parametrize(
    ("host", "name", "said"),
    [
        ("api.example", "api.example", "api.example"),
        ("api.example.", "api.example", "api.example"),
        ("b\u00fccher.example", "xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("127.0.0.1", "127.0.0.1", None),
    ],
    ids=["a name", "a whole name", "an international name", "an address"],
)
async def test_a_host_whose_certificate_names_it_is_asked(
    authority: Authority, host: str, name: str, said: str | None
) -> None:
    context, heads, asked_for = authority.server(name), list[bytes](), list[str | None]()
    context.sni_callback = lambda _, server_name, __: asked_for.append(server_name)
    transport = ProviderTransport(ssl_context=ssl.create_default_context(cafile=authority.file), resolve=here)
    async with listening(context, heads) as port:
        for _ in range(2):
            assert (await exchange(transport, post(port, host=host, scheme="https")))[1] == b"ok"
        await transport.aclose()
    assert asked_for == [said]  # one connection for both
    assert len(heads) == 2


@pytest.mark.parametrize(
    ("host", "name", "days", "is_known"),
    [
        ("api.example", "other.example", (-1, 1), True),
        ("127.0.0.1", "127.0.0.2", (-1, 1), True),
        ("api.example", "api.example", (-9, -1), True),
        ("api.example", "api.example", (1, 9), True),
        ("api.example", "api.example", (-1, 1), False),
    ],
    ids=["another host", "another address", "expired", "not yet valid", "an authority nobody knows"],
)
async def test_anybody_else_is_sent_nothing(
    authority: Authority, host: str, name: str, days: tuple[int, int], is_known: bool
) -> None:
    heads: list[bytes] = []
    known = ssl.create_default_context(cafile=authority.file) if is_known else None
    transport = ProviderTransport(ssl_context=known, resolve=here)
    async with listening(authority.server(name, *days), heads) as port:
        with pytest.raises(NotSent, match="SSLCertVerificationError"):
            await exchange(transport, post(port, host=host, scheme="https"))
    assert (heads, transport._pool._count) == ([], 0)
    await transport.aclose()
