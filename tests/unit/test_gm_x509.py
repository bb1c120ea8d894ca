"""Certificates of a reference city: a TLS library takes them for what they are."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge.errors import KeyFormatError
from edge.gm import sm3, x509

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, *, name: str) -> ssl.SSLObject:
    """The server's end after a handshake in memory; what the client refuses is raised."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname=name)
    far = server.wrap_bio(to_server, to_client, server_side=True)
    waiting = [near, far]
    while waiting:
        end = waiting.pop(0)
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            waiting.append(end)
    return far


def context(purpose: ssl.Purpose, folder: Path, *, ca: bytes, certificate: bytes, key: bytes) -> ssl.SSLContext:
    chain = folder / f"{purpose.shortname}.pem"
    chain.write_bytes(certificate + key)
    made = ssl.create_default_context(purpose, cadata=ca.decode())
    made.verify_flags |= ssl.VERIFY_X509_STRICT
    made.verify_mode = ssl.CERT_REQUIRED
    made.load_cert_chain(chain)
    return made


def test_node_and_broker_shake_hands_under_one_authority(tmp_path: Path) -> None:
    """A broker's and a node's certificate verify strictly, by name and by address; the node is known by name."""
    ca, ca_key = x509.make_ca("a reference city")
    broker = x509.issue_certificate(ca, ca_key, "broker", client=False, server_names=("localhost", "127.0.0.1"))
    node = x509.issue_certificate(ca, ca_key, "370881-0042", client=True)
    server = context(ssl.Purpose.CLIENT_AUTH, tmp_path, ca=ca, certificate=broker[0], key=broker[1])
    client = context(ssl.Purpose.SERVER_AUTH, tmp_path, ca=ca, certificate=node[0], key=node[1])

    for name in ("localhost", "127.0.0.1"):
        peer = handshake(server, client, name=name).getpeercert()
        assert peer is not None
        assert peer["subject"] == ((("commonName", "370881-0042"),),)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, client, name="elsewhere.example")


def test_certificate_of_another_authority_is_refused(tmp_path: Path) -> None:
    """A certificate that another authority of the same name issued does not verify."""
    ca, _ = x509.make_ca("a reference city")
    other_ca, other_key = x509.make_ca("a reference city")
    broker = x509.issue_certificate(other_ca, other_key, "broker", client=False, server_names=("localhost",))
    server = context(ssl.Purpose.CLIENT_AUTH, tmp_path, ca=ca, certificate=broker[0], key=broker[1])

    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, ssl.create_default_context(cadata=ca.decode()), name="localhost")


def test_dates_come_from_the_time_given() -> None:
    """A city that states the time gets certificates of that time, a day back for slow clocks."""
    from cryptography.x509 import load_pem_x509_certificate

    ca, ca_key = x509.make_ca("a reference city", now=NOW)
    leaf, _ = x509.issue_certificate(ca, ca_key, "370881-0042", client=True, now=NOW)

    for certificate in (ca, leaf):
        loaded = load_pem_x509_certificate(certificate)
        assert (NOW - loaded.not_valid_before_utc).days == 1
        assert (loaded.not_valid_after_utc - NOW).days >= 3650


def test_fingerprint_is_sm3_of_the_der() -> None:
    """An enrolment code names an authority by SM3 of its certificate's DER."""
    ca, _ = x509.make_ca("a reference city")

    assert x509.fingerprint_sm3(ca) == sm3(ssl.PEM_cert_to_DER_cert(ca.decode()))


def test_what_is_no_authority_is_refused() -> None:
    """Rubbish, or a key of another kind, raises `KeyFormatError`."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    ca, ca_key = x509.make_ca("a reference city")
    other = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )

    with pytest.raises(KeyFormatError):
        x509.fingerprint_sm3(b"rubbish")
    for certificate, key in ((b"rubbish", ca_key), (ca, b"rubbish"), (ca, other)):
        with pytest.raises(KeyFormatError):
            x509.issue_certificate(certificate, key, "370881-0042", client=True)
