"""The same transport over TLS: certificates are checked before a byte is sent, and deadlines hold inside the tunnel."""

from __future__ import annotations

import datetime
import ipaddress
import json
import socket
import ssl
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.adapters.binance.rest import RestExchange
from app.adapters.binance.transport import PooledTransport
from app.ports import OrderReport, RetryAfter, Unknown
from tests.unit.binance.fakes import make_attempt, make_exchange, order_json
from tests.unit.binance.raw_server import RawServer, http, read_request, serving
from tests.unit.binance.test_transport import FAST, hang, trickle

x509 = pytest.importorskip("cryptography.x509")


@dataclass(frozen=True)
class Tls:
    """A server's context, and a client's that trusts it alone."""

    server: ssl.SSLContext
    client: ssl.SSLContext


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "exchange.test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path: Path = tmp_path_factory.mktemp("tls") / "server.pem"
    pem = serialization.Encoding.PEM
    path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(pem)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return Tls(server=server, client=ssl.create_default_context(cafile=str(path)))


def exchange_at(server: RawServer, context: ssl.SSLContext | None) -> RestExchange:
    transport = PooledTransport(timeouts=FAST, ssl_context=context)
    return make_exchange(transport, base_url=server.url.replace("http:", "https:"))


def fill(connection: socket.socket, server: RawServer) -> None:
    while read_request(connection, server):
        connection.sendall(http(200, json.dumps(order_json()).encode()))


def test_a_trusted_exchange_is_spoken_to_and_its_connection_kept(tls: Tls) -> None:
    with serving(fill, tls=tls.server) as server:
        exchange = exchange_at(server, tls.client)
        assert isinstance(exchange.submit(make_attempt()), OrderReport)
        assert isinstance(exchange.submit(make_attempt()), OrderReport)
        exchange.close()
        assert server.connections == 1


def test_an_untrusted_certificate_is_certainly_not_sent_to(tls: Tls) -> None:
    with serving(fill, tls=tls.server) as server:
        reply = exchange_at(server, None).submit(make_attempt())
        assert isinstance(reply, RetryAfter)
        assert "CERTIFICATE_VERIFY_FAILED" in reply.message
        assert server.received == []


@pytest.mark.parametrize("listen_seconds", [0.0, 5.0])
def test_a_handshake_that_fails_or_hangs_is_certainly_not_sent(tls: Tls, listen_seconds: float) -> None:
    def no_handshake(connection: socket.socket, server: RawServer) -> None:
        server.stopping.wait(listen_seconds)

    with serving(no_handshake) as server:
        began = time.monotonic()
        reply = exchange_at(server, tls.client).submit(make_attempt())
        assert isinstance(reply, RetryAfter)
        assert time.monotonic() - began < 1.5


@pytest.mark.parametrize("behaviour", [hang, trickle])
def test_the_total_time_out_holds_inside_the_tunnel(tls: Tls, behaviour: object) -> None:
    with serving(behaviour, tls=tls.server) as server:  # type: ignore[arg-type]
        began = time.monotonic()
        assert isinstance(exchange_at(server, tls.client).submit(make_attempt()), Unknown)
        assert time.monotonic() - began < 1.5
        assert len(server.received) == 1
