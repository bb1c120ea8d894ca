"""Certificates for the MQTT link of a reference city: a P-256 authority, one server, one client a node.

P-256 and not SM2, because the brokers and TLS libraries in the field speak no SM2. Apart from `edge.gm` itself because
only `city` and enrolment need it and it is slow to load. Dates are generous: the node checks chains without dates and
then refuses only what its time interval proves (contracts 5.3).
"""

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edge.errors import KeyFormatError
from edge.gm.symmetric import sm3

_CA_LIFE = timedelta(days=20 * 365)
_LEAF_LIFE = timedelta(days=10 * 365)  # longer than a box lives; a stolen one is stopped by the broker's own list
_BACKDATED = timedelta(days=1)  # clocks of fresh boxes and brokers disagree by hours


def make_ca(common_name: str, *, now: datetime | None = None) -> tuple[bytes, bytes]:
    """A new authority.

    Args:
        common_name: 1 to 64 characters.
        now: When it is made; by default the machine's clock.

    Returns:
        Its certificate and its private key (PKCS #8, not encrypted), both PEM.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = (
        _builder(common_name, key=key.public_key(), now=now, life=_CA_LIFE)
        .issuer_name(_name(common_name))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(ca=True), critical=True)
        .add_extension(identifier, critical=False)
    )
    return _pem(builder.sign(key, hashes.SHA256())), _key_pem(key)


def issue_certificate(
    ca_cert_pem: bytes,
    ca_key_pem: bytes,
    common_name: str,
    *,
    client: bool,
    server_names: Sequence[str] = (),
    now: datetime | None = None,
) -> tuple[bytes, bytes]:
    """A certificate for one node (`client`) or one broker.

    Args:
        ca_cert_pem: The authority.
        ca_key_pem: Its private key.
        common_name: The node's name; the broker takes it as client id and user name.
        client: True for a node, False for a broker.
        server_names: DNS names and IP addresses a broker answers to.
        now: When it is made; by default the machine's clock.

    Returns:
        The certificate and its private key, both PEM.

    Raises:
        KeyFormatError: The authority's certificate or key cannot be read.
    """
    try:
        authority = x509.load_pem_x509_certificate(ca_cert_pem)
        signer = serialization.load_pem_private_key(ca_key_pem, password=None)
    except ValueError as exc:
        raise KeyFormatError("no authority in PEM") from exc
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise KeyFormatError("the authority's key is of another kind")
    key = ec.generate_private_key(ec.SECP256R1())
    usage = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
    builder = (
        _builder(common_name, key=key.public_key(), now=now, life=_LEAF_LIFE)
        .issuer_name(authority.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if server_names:
        names = x509.SubjectAlternativeName([_general_name(name) for name in server_names])
        builder = builder.add_extension(names, critical=False)
    return _pem(builder.sign(signer, hashes.SHA256())), _key_pem(key)


def fingerprint_sm3(cert_pem: bytes) -> bytes:
    """SM3 of a PEM certificate's DER, 32 bytes: what an enrolment code carries of the authority.

    Raises:
        KeyFormatError: It is no certificate.
    """
    try:
        loaded = x509.load_pem_x509_certificate(cert_pem)
    except ValueError as exc:
        raise KeyFormatError("no certificate in PEM") from exc
    return sm3(loaded.public_bytes(serialization.Encoding.DER))


def _builder(
    common_name: str, *, key: ec.EllipticCurvePublicKey, now: datetime | None, life: timedelta
) -> x509.CertificateBuilder:
    made_at = now or datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(common_name))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(made_at - _BACKDATED)
        .not_valid_after(made_at + life)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    """RFC 5280 4.2.1.3."""
    return x509.KeyUsage(
        digital_signature=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
