"""TLS for a node that may not know the time: chains are checked without dates, then by what is proven (contracts 5.3).

No time without TLS, no TLS without time: so OpenSSL looks at no dates, and afterwards every certificate of the chain it
built is refused whose dates the interval proves wrong. An authority proven wrong is not loaded in the first place: told
to look at no dates, OpenSSL would prefer it to its renewed twin in the same file.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sync.errors import LinkLostError

Interval = Callable[[], tuple[int, int | None]]
"""The time interval now: lo and hi in Unix milliseconds, hi None while unknown."""

_NO_CHECK_TIME: Final = ssl.VerifyFlags(0x200000)
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL; Python gives it no name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Where the certificates are.

    Attributes:
        ca: The city's certificate authority, PEM; there may be several, as while one is renewed.
        certificate: The node's certificate, PEM.
        key: Its key, PEM.
    """

    ca: Path
    certificate: Path
    key: Path


def client_context(tls: Tls, *, interval: Interval) -> ssl.SSLContext:
    """Return what a connection is made with: the authorities not proven wrong, no dates, our certificate.

    Raises:
        LinkLostError: ``tls``: a file is missing or unusable; ``tls_dates``: every authority is proven wrong.
    """
    try:
        context = ssl.create_default_context(cafile=tls.ca)
        standing = _authorities_that_stand(context, interval=interval)
        if standing is not None:
            context = ssl.create_default_context(cadata=standing)
        context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ValueError) as exc:  # ssl.SSLError is an OSError; a date that is none is a ValueError
        raise LinkLostError("tls") from exc
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= _NO_CHECK_TIME
    return context


async def secure(sock: socket.socket, *, context: ssl.SSLContext, host: str, interval: Interval) -> ssl.SSLSocket:
    """Shake hands on a connected socket that does not block; whatever goes wrong, it is closed.

    Args:
        sock: Handed over.
        context: From `client_context`.
        host: The name or address that the server's certificate has to bear.
        interval: The time now, for the dates of its chain.

    Raises:
        LinkLostError: ``tls``: no handshake; ``tls_dates``: a certificate of the chain is proven out of its dates.
    """
    try:
        tls = context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
    except (OSError, ValueError) as exc:
        sock.close()
        raise LinkLostError("tls") from exc
    try:
        await _shake_hands(tls)
        check_dates(chain_of(tls), interval=interval)
    except BaseException:
        tls.close()
        raise
    return tls


def chain_of(tls: ssl.SSLSocket) -> list[Mapping[str, Any]]:
    """Return every certificate of the chain that was verified, the server's first and the authority last.

    Each in the form of `ssl.SSLSocket.getpeercert`. Where this Python cannot tell the chain, it is the server's alone:
    the authorities were looked at before, so only certificates in between go unseen.
    """
    # Python 3.13 gives the chain in public as DER only; with dates it is here, from 3.10 on and still in 3.13.
    chain = getattr(getattr(tls, "_sslobj", None), "get_verified_chain", None)
    if chain is None:
        return [tls.getpeercert() or {}]
    return [certificate.get_info() for certificate in chain()]


def check_dates(chain: list[Mapping[str, Any]], *, interval: Interval) -> None:
    """Refuse a chain if the interval proves any of its certificates out of its dates.

    Raises:
        LinkLostError: ``tls_dates``: one is; ``tls``: one has no dates.
    """
    try:
        is_wrong = any(_is_proven_wrong(certificate, interval=interval) for certificate in chain)
    except (KeyError, ValueError) as exc:
        raise LinkLostError("tls") from exc
    if is_wrong:
        raise LinkLostError("tls_dates")


def _authorities_that_stand(context: ssl.SSLContext, *, interval: Interval) -> bytes | None:
    """Return, as DER, those of the loaded authorities that are not proven wrong; None: all of them."""
    described, der = context.get_ca_certs(), context.get_ca_certs(binary_form=True)
    are_wrong = [_is_proven_wrong(authority, interval=interval) for authority in described]
    if not any(are_wrong):
        return None
    if all(are_wrong):
        raise LinkLostError("tls_dates")
    return b"".join(data for data, is_wrong in zip(der, are_wrong, strict=True) if not is_wrong)


def _is_proven_wrong(certificate: Mapping[str, Any], *, interval: Interval) -> bool:
    # Contracts 5.3: not_after < lo or not_before > hi.
    lo_ms, hi_ms = interval()
    not_after_ms = ssl.cert_time_to_seconds(certificate["notAfter"]) * 1000
    not_before_ms = ssl.cert_time_to_seconds(certificate["notBefore"]) * 1000
    return not_after_ms < lo_ms or (hi_ms is not None and not_before_ms > hi_ms)


async def _shake_hands(tls: ssl.SSLSocket) -> None:
    loop = asyncio.get_running_loop()
    while True:
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            await _ready(tls, add=loop.add_reader, remove=loop.remove_reader)
        except ssl.SSLWantWriteError:
            await _ready(tls, add=loop.add_writer, remove=loop.remove_writer)
        except OSError as exc:
            raise LinkLostError("tls") from exc
        else:
            return


async def _ready(sock: socket.socket, *, add: Callable[..., None], remove: Callable[..., Any]) -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    add(sock, future.set_result, None)
    try:
        await future
    finally:
        remove(sock)
