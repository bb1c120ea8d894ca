"""Chains of certificates with dates at will: an authority, one below it, and a server below that."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sync.mqtt import Tls

Dates = tuple[int, int]
"""The first and the last second of a certificate, Unix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def signed(name: str, *, dates: Dates, by: Signer | None = None, again: Signer | None = None) -> Signer:
    """A certificate: an authority, or with the name ``broker`` a server on the loopback.

    Args:
        name: Its common name.
        dates: Its dates.
        by: Who signs; None: itself.
        again: The certificate it renews, with the same key.
    """
    key = ec.generate_private_key(ec.SECP256R1()) if again is None else again.key
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = key if by is None else by.key
    is_server = name == "broker"
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if by is None else by.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.fromtimestamp(dates[0], UTC))
        .not_valid_after(datetime.fromtimestamp(dates[1], UTC))
        .add_extension(x509.BasicConstraints(ca=not is_server, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(_usage(is_server=is_server), critical=True)
    )
    if is_server:
        loopback = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        builder = builder.add_extension(loopback, critical=False).add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
        )
    return Signer(certificate=builder.sign(signer, hashes.SHA256()), key=key)


def write(folder: Path, *, authorities: tuple[Signer, ...], between: Signer, server: Signer) -> Tls:
    """The files of a server that shows the authority in between, too; its own certificate serves the client as well."""
    folder.mkdir(parents=True, exist_ok=True)
    files = Tls(ca=folder / "ca.pem", certificate=folder / "broker.pem", key=folder / "broker.key")
    files.ca.write_bytes(b"".join(authority.pem for authority in authorities))
    files.certificate.write_bytes(server.pem + between.pem)
    files.key.write_bytes(server.key_pem)
    return files


def _usage(*, is_server: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=is_server,
        key_cert_sign=not is_server,
        crl_sign=not is_server,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
