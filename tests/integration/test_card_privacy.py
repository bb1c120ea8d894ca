"""Cards with known data go through a whole node on real parts; then everything that was written is searched for them.

pcscd with emulated cards (the SAM's arithmetic is simulated, the keys are test keys), an identity-card reader on a
pseudo-terminal, the daemon, its data folder, its log at the finest level, its answers. The people are invented.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edge.gm import sm3
from edge.seal import open_body
from edge.transaction import Kind, Transaction, from_cbor
from edge.verdict import Carrier
from sync.outbox import Outbox
from tests.support import vectors
from tests.support.card_files import SAMPLE_ID_NO, SAMPLE_NAME
from tests.support.daemon import NODE, Daemon, configuration, running
from tests.support.emulated_cards import PIN, ResidentHealthCardEmulator, SamEmulator, SocialSecurityCardEmulator
from tests.support.id_texts import citizen
from tests.support.pcscd import CARD_READER, SAM_READER, Pcscd, reserved_pcscd
from tests.support.pty_port import PtyPort
from tests.support.sdt_device import PtySdt, SdtDevice
from tests.support.trust_folder import write_folder

ID_NAME, ID_ADDRESS, ID_ISSUER = "欧阳测试", "北京市东城区虚构街7号", "虚构市公安局"
NEEDLES = (
    *(SAMPLE_NAME, SAMPLE_ID_NO, "测试街1号", "测试娘", "测试警示", "过敏物", "皮疹", "疫苗0"),
    *("A0000042X", "11010001000000000000000000000042", ID_NAME, ID_ADDRESS, ID_ISSUER),
)


def spellings(needle: str) -> set[bytes]:
    """How a text could have been written: as text, or as hex of its bytes."""
    encoded = {needle.encode(encoding) for encoding in ("utf-8", "gb18030", "utf-16-le")}
    escaped = {json.dumps(needle)[1:-1].encode()}
    return encoded | escaped | {text for data in encoded for text in (data.hex().encode(), data.hex().upper().encode())}


def found_in(data: bytes) -> list[str]:
    """Which of the known texts stand in some bytes."""
    return [needle for needle in NEEDLES if any(spelling in data for spelling in spellings(needle))]


@pytest.fixture
def pcscd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pcscd]:
    """A running pcscd with an empty slot for cards and one for the SAM."""
    with reserved_pcscd(tmp_path_factory.mktemp("pcscd")) as service:
        service.start()
        yield service


@pytest.fixture
def id_reader(tmp_path: Path) -> Iterator[PtySdt]:
    """An identity-card reader with nothing on it."""
    device = PtySdt(PtyPort(tmp_path / "id-card"), make=SdtDevice)
    device.plug()
    yield device
    device.unplug()


def toml(folder: Path, *, files: str = "desk") -> str:
    return configuration(folder) + (
        f'[[readers]]\nname = "card-1"\ntype = "pcsc"\n'
        f'options = {{ reader = "{CARD_READER}", sam_reader = "{SAM_READER}" }}\n'
        f'[[readers]]\nname = "id-1"\ntype = "sdt"\noptions = {{ port = "{folder}/id-card" }}\n'
        f'[cards]\nfiles = "{files}"\nsam_pin_file = "sam.pin"\n'
        '[[sams]]\nnumber = "11010020260000000001"\nplace = "window 1"\n[log]\nlevel = "debug"\n'
    )


@asynccontextmanager
async def node(folder: Path, *, files: str = "desk") -> AsyncIterator[Daemon]:
    """A node with the vectors' trust, a card reader and an identity-card reader."""
    write_folder(folder / "data/trust")
    (folder / "keys").mkdir()
    (folder / "keys/sam.pin").write_text(PIN.hex(), encoding="ascii")
    (folder / "keys/sam.pin").chmod(0o600)
    async with running(folder, toml=toml(folder, files=files)) as daemon:
        await daemon.ready()
        yield daemon


async def records(folder: Path) -> list[Transaction]:
    """What the city will read, once the daemon has ended."""
    city = vectors.key("city_encryption")
    async with Outbox.open(folder / "data/outbox.db", node=NODE, hash=sm3) as outbox:
        stored = await outbox.stretch(0, count_max=100, bytes_max=100_000)
    assert stored is not None
    secrets = {key_id: city.decrypt(wrapped) for key_id, (_, wrapped) in stored.deks.items()}
    return [
        from_cbor(open_body(body, secret=secrets[body[1:9]], node=NODE, message_id=message_id))
        for message_id, body in stored.items
    ]


def test_the_search_finds_what_is_there() -> None:
    """Whatever way it is spelt; and nothing in noise."""
    for spelling in spellings(SAMPLE_NAME) | spellings(SAMPLE_ID_NO):
        assert found_in(b"{" + spelling + b"}")
    assert found_in(bytes(range(256)) * 100) == []


async def test_nothing_that_a_card_says_is_written_in_clear(
    pcscd: Pcscd,
    id_reader: PtySdt,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A health card with its SAM, a social security card, an identity card: only the city can read whose they are."""
    caplog.set_level(logging.DEBUG)
    await asyncio.to_thread(pcscd.sam_slot.insert, SamEmulator())
    answers: list[object] = []

    async with node(tmp_path, files="all") as daemon:
        for count, card in enumerate((ResidentHealthCardEmulator(), SocialSecurityCardEmulator()), 1):
            await asyncio.to_thread(pcscd.card_slot.insert, card)
            await daemon.recent_of(count)
            await asyncio.to_thread(pcscd.card_slot.pull)
        id_reader.device.lay(citizen(name=ID_NAME, address=ID_ADDRESS, issuer=ID_ISSUER, id_no=SAMPLE_ID_NO))
        rows = await daemon.recent_of(3)
        status = await daemon.status()
        answers += [rows, status]

    made = await records(tmp_path)
    assert [record.kind for record in made] == [Kind.USE, Kind.SAM_USE, Kind.USE, Kind.USE]
    uses = [record for record in made if record.verdict is not None]
    assert [use.verdict.subject.kind for use in uses if use.verdict] == [Carrier.RHC, Carrier.SSC, Carrier.ID_CARD]
    assert [use.data["card"]["name"] for use in uses] == [SAMPLE_NAME, SAMPLE_NAME, ID_NAME]
    assert [row["name"] for row in rows] == ["欧***", "测**", "测**"]
    assert "allergy" in rows[2]["notes"]
    (sam,) = status["sams"]
    assert (sam["number"], sam["state"], sam["place"], sam["reader"]) == (
        "11010020260000000001",
        "ok",
        "window 1",
        "card-1",
    )
    assert uses[0].terminal.sam_no == made[1].terminal.sam_no == sam["number"]

    written = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()}
    assert {path.name for path in written} >= {"outbox.db", "outbox.db-wal", "clock.floor"} - {"outbox.db-wal"}
    assert {str(path): found for path, data in written.items() if (found := found_in(data))} == {}
    assert found_in("\0".join(map(str, written)).encode()) == []
    assert found_in(json.dumps(answers, ensure_ascii=False).encode()) == []
    printed = capfd.readouterr()
    assert found_in((caplog.text + printed.out + printed.err).encode()) == []
    assert "reader card-1: open" in caplog.text


async def test_a_card_that_breaks_everything_leaves_nothing_in_the_log(
    pcscd: Pcscd,
    id_reader: PtySdt,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Even a fault in the verifier, raised with the card in its hands, names its place and not the person."""
    caplog.set_level(logging.DEBUG)

    def broken(content: object, **_: object) -> None:
        raise ValueError(f"{SAMPLE_NAME} {SAMPLE_ID_NO}")

    monkeypatch.setattr("edge.intake.examine_card", broken)

    async with node(tmp_path) as daemon:
        id_reader.device.lay(citizen(name=ID_NAME, address=ID_ADDRESS))
        (row,) = await daemon.recent_of(1)

    assert row["reason"] == "INTERNAL"
    assert "ValueError" in caplog.text
    assert found_in(caplog.text.encode()) == []
