"""TLS without a clock against a real broker: dates refuse only where they are proven wrong, anywhere in the chain."""

import ssl
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sync.errors import LinkLostError
from sync.mqtt import Broker, Tls, connect
from sync.tls import chain_of, check_dates
from tests.support import chain
from tests.support.broker import Mosquitto, running_broker

NOW_S = 1_795_399_200
YEAR_S = 366 * 86_400
GOOD = (NOW_S - YEAR_S, NOW_S + YEAR_S)
EXPIRED = (NOW_S - 2 * YEAR_S, NOW_S - YEAR_S)
NOT_YET = (NOW_S + YEAR_S, NOW_S + 2 * YEAR_S)
LINKS = ("authority", "between", "broker")

Times = tuple[int, int | None]
"""lo and hi in seconds."""
KNOWN: Times = (NOW_S, NOW_S + 1)
UNKNOWN: Times = (0, None)


def make(folder: Path, *, odd: str = "", dates: chain.Dates = GOOD) -> Tls:
    """Files of a chain in which at most one certificate has other dates."""
    authority = chain.signed("authority", dates=dates if odd == "authority" else GOOD)
    between = chain.signed("between", by=authority, dates=dates if odd == "between" else GOOD)
    server = chain.signed("broker", by=between, dates=dates if odd == "broker" else GOOD)
    return chain.write(folder, authorities=(authority,), between=between, server=server)


def serving(folder: Path, *, tls: Tls) -> AbstractAsyncContextManager[Mosquitto]:
    """A broker that asks for no certificates: it would look at their dates."""
    return running_broker(folder / "broker", tls=tls, asks_for_certificates=False)


async def cause_at(broker: Mosquitto, times: Times, *, tls: Tls) -> str | None:
    """Why there is no connection at that time; None: there is one."""
    lo_s, hi_s = times
    there = Broker(host=broker.host, port=broker.port, client_id="n-1", tls=tls)
    try:
        async with connect(there, interval=lambda: (lo_s * 1000, None if hi_s is None else hi_s * 1000)):
            return None
    except LinkLostError as lost:
        return lost.cause


@pytest.mark.parametrize("odd", LINKS)
async def test_an_expired_certificate_is_refused_once_that_is_proven(tmp_path: Path, odd: str) -> None:
    """Whichever of the chain it is: an unknown time lets it in, a lower end after its last second does not."""
    tls = make(tmp_path, odd=odd, dates=EXPIRED)
    async with serving(tmp_path, tls=tls) as broker:
        assert await cause_at(broker, UNKNOWN, tls=tls) is None
        assert await cause_at(broker, (EXPIRED[1], None), tls=tls) is None
        assert await cause_at(broker, (EXPIRED[1] + 1, None), tls=tls) == "tls_dates"
        assert await cause_at(broker, KNOWN, tls=tls) == "tls_dates"


@pytest.mark.parametrize("odd", LINKS)
async def test_a_certificate_of_later_is_refused_once_that_is_proven(tmp_path: Path, odd: str) -> None:
    """Whichever of the chain it is: without an upper end it may have begun; an upper end before it proves it wrong."""
    tls = make(tmp_path, odd=odd, dates=NOT_YET)
    async with serving(tmp_path, tls=tls) as broker:
        assert await cause_at(broker, UNKNOWN, tls=tls) is None
        assert await cause_at(broker, (NOW_S, None), tls=tls) is None
        assert await cause_at(broker, (NOW_S, NOT_YET[0]), tls=tls) is None
        assert await cause_at(broker, (NOW_S, NOT_YET[0] - 1), tls=tls) == "tls_dates"


async def test_a_chain_within_its_dates_is_taken_whatever_is_known(tmp_path: Path) -> None:
    """A known time refuses nothing that is good."""
    tls = make(tmp_path)
    async with serving(tmp_path, tls=tls) as broker:
        assert [await cause_at(broker, times, tls=tls) for times in (UNKNOWN, KNOWN, (NOW_S, None))] == [None] * 3


async def test_what_is_wrong_besides_dates_is_refused_without_a_time(tmp_path: Path) -> None:
    """An authority that did not sign the chain is no matter of dates."""
    tls, other = make(tmp_path), make(tmp_path / "other")
    stranger = Tls(ca=other.ca, certificate=tls.certificate, key=tls.key)
    async with serving(tmp_path, tls=tls) as broker:
        assert await cause_at(broker, UNKNOWN, tls=stranger) == "tls"


@pytest.mark.parametrize("is_old_first", [True, False])
async def test_a_renewed_authority_stands_beside_its_expired_self(tmp_path: Path, *, is_old_first: bool) -> None:
    """With both in the file, same name and same key, the one proven expired does not spoil the other."""
    old = chain.signed("authority", dates=EXPIRED)
    new = chain.signed("authority", dates=GOOD, again=old)
    between = chain.signed("between", by=old, dates=GOOD)
    server = chain.signed("broker", by=between, dates=GOOD)
    authorities = (old, new) if is_old_first else (new, old)
    tls = chain.write(tmp_path, authorities=authorities, between=between, server=server)
    async with serving(tmp_path, tls=tls) as broker:
        assert await cause_at(broker, KNOWN, tls=tls) is None
        assert await cause_at(broker, (GOOD[1] + 1, None), tls=tls) == "tls_dates"


async def test_an_authority_proven_expired_is_told_before_anybody_is_asked(tmp_path: Path) -> None:
    """With no other in the file, no connection is tried."""
    tls = make(tmp_path, odd="authority", dates=EXPIRED)
    nobody = Broker(host="127.0.0.1", port=9, client_id="n-1", tls=tls)

    with pytest.raises(LinkLostError) as lost:
        async with connect(nobody, interval=lambda: (NOW_S * 1000, None)):
            pass

    assert lost.value.cause == "tls_dates"


def test_a_certificate_without_dates_is_refused() -> None:
    """What cannot be read is no certificate."""
    for certificate in ({}, {"notAfter": "Bad time value", "notBefore": "Jan  1 00:00:00 2020 GMT"}):
        with pytest.raises(LinkLostError) as lost:
            check_dates([certificate], interval=lambda: (0, None))
        assert lost.value.cause == "tls"


def test_without_the_chain_the_servers_own_certificate_is_looked_at() -> None:
    """Where Python cannot tell what OpenSSL verified, the dates that it can tell count."""
    certificate = {"notBefore": "Jan  1 00:00:00 2020 GMT", "notAfter": "Jan  1 00:00:00 2021 GMT"}
    tls = cast(ssl.SSLSocket, SimpleNamespace(getpeercert=lambda: certificate))

    found: list[Any] = list(chain_of(tls))

    assert found == [certificate]
