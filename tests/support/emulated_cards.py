"""Chip cards without a chip: a resident health card, a social security card and a SAM, by domain facts 2 and 4.

They keep the rules that a real one keeps: what may be read before which proof, a challenge that counts once, wrong PINs
and wrong proofs that are counted. The secret arithmetic is SIMULATED (`tests.support.emulated_card`), the keys are test
keys, and the person on the cards is invented.
"""

import hashlib
from collections.abc import Mapping

from drivers.framing.tlv import encode
from tests.support.card_files import Binary, File, Plain, Records, SocialFiles, resident_files
from tests.support.emulated_card import (
    BEYOND_END,
    BLOCKED,
    NO_INSTRUCTION,
    NO_KEY,
    NO_RECORD,
    NOT_ALLOWED,
    NOT_FOUND,
    OK,
    WRONG_LENGTH,
    WRONG_ORDER,
    Command,
    EmulatedCard,
    diversified,
    proof_of,
    simulated_sm1,
    with_le,
)

TRIES = 3
PIN = b"\x12\x34\x56"  # domain facts 2.4: in every demonstration

ATR = bytes.fromhex("3B6D00000031C064A1B2C3D4E500000000")
CARD_FACTOR = bytes.fromhex("31C064A1B2C3D4E5")  # bytes 5..12 of it
SAM_ATR = bytes.fromhex("3B6D0000534D54455354504C4143450001")
SSC_ATR = bytes.fromhex("3B6D00000053534354455354303030010A")
SAM_SERIAL = bytes.fromhex("11010020260000000001")

TEST_KEYS = {
    index: hashlib.sha256(b"test key %02X" % index).digest()[:16]
    for index in (0x2C, 0x2D, 0x2E, 0x2F, 0x31, 0x32, 0x33, 0x34)
}
_READING_KEYS, _WRITING_KEYS = range(0x31, 0x35), range(0x2C, 0x30)
_KEYS_BY_TYPE = {1: [*_READING_KEYS], 2: [*_READING_KEYS, *_WRITING_KEYS], 3: [*_READING_KEYS, *_WRITING_KEYS]}
# Folder and P2 of EXTERNAL AUTHENTICATE: which key.
_PROOFS = {
    ("DDF1", 0x04): 0x31,
    ("DF01", 0x84): 0x32,
    ("DF02", 0x84): 0x33,
    ("DF03", 0x84): 0x34,
    ("DF02", 0x85): 0x2C,
    ("DF02", 0x86): 0x2D,
    ("DF02", 0x87): 0x2E,
    ("DF03", 0x85): 0x2F,
}


class ResidentHealthCardEmulator(EmulatedCard):
    """A resident health card (domain facts 2.1 to 2.3).

    Args:
        files: By path; None: those of `resident_files`.
        city: Six digits, as EF05 says.
        keys: The issuer's; None: the test keys.
        forgets_reading: Whether a proof for writing takes the place of the one for reading.
        is_selection_told: Whether SELECT answers 61xx.
    """

    def __init__(
        self,
        *,
        files: dict[str, File] | None = None,
        city: str = "110100",
        keys: Mapping[int, bytes] = TEST_KEYS,
        forgets_reading: bool = False,
        is_selection_told: bool = False,
        atr: bytes = ATR,
    ) -> None:
        self.files = resident_files(city=city) if files is None else files
        province = city[:2].encode() + b"000000"
        self._keys = {
            place: diversified(keys[index], city=province, card=atr[5:13]) for place, index in _PROOFS.items()
        }
        self.tries = dict.fromkeys(_PROOFS, TRIES)
        self._forgets_reading = forgets_reading
        super().__init__(atr=atr, is_selection_told=is_selection_told)

    def power_on(self) -> None:
        super().power_on()
        self._folder = ""
        self._file = ""
        self._proved: set[int] = set()
        self._challenge: bytes | None = None

    def answer(self, command: Command) -> bytes:
        match command.head:
            case (0x00, 0xA4):
                return self._select(command.data.hex().upper(), p1=command.p1)
            case (0x00, 0x84):
                self._challenge = self.new_challenge()
                return with_le(self._challenge, command=command)
            case (0x00, 0x82):
                return self._authenticate(command)
            case (0x00, 0xB2 | 0xB0):
                return self._read(command) if self._may_read else NOT_ALLOWED
            case (0x00, 0xDC):
                return self._append(command)
        return NO_INSTRUCTION

    @property
    def _may_read(self) -> bool:
        return self._file == "DDF1/EF05" or bool(self._proved & {0x04, 0x84})

    def _select(self, name: str, *, p1: int) -> bytes:
        folders = {"DDF1": ("", "DDF1", "DF01", "DF02", "DF03")} | {f"DF0{at}": ("DDF1",) for at in (1, 2, 3)}
        if p1 == 0 and self._folder in folders.get(name, ()):
            self._folder, self._file, self._proved, self._challenge = name, "", set(), None
            return self._selected
        path = f"{self._folder}/{name}"
        if p1 != 0 or path not in self.files:
            return NOT_FOUND
        self._file = path
        return self._selected

    def _authenticate(self, command: Command) -> bytes:
        challenge, self._challenge = self._challenge, None
        place = self._folder, command.p2
        if place not in self._keys:
            return NO_KEY
        if challenge is None:
            return WRONG_ORDER
        if not self.tries[place]:
            return BLOCKED
        if len(command.data) != 17:
            return WRONG_LENGTH
        folded, terminal_random, algorithm = command.data[:8], command.data[8:16], command.data[16]
        proof = proof_of(self._keys[place], challenge=challenge, terminal_random=terminal_random)
        expected = bytes(left ^ right for left, right in zip(proof[:8], proof[8:], strict=True))
        if folded != expected or algorithm != 1:
            self.tries[place] -= 1
            return bytes((0x63, 0xC0 | self.tries[place]))
        self.tries[place] = TRIES
        if self._forgets_reading:
            self._proved.clear()
        self._proved.add(command.p2)
        return OK

    def _read(self, command: Command) -> bytes:
        file = self.files[self._file] if self._file else None
        match file:
            case Records() if command.ins == 0xB2 and command.p2 == 0:
                value = file.values.get(command.p1)
                return NO_RECORD if value is None else with_le(encode(command.p1, value=value), command=command)
            case Plain() if command.ins == 0xB2 and command.p2 == 4:
                record = file.record(command.p1)
                return NO_RECORD if record is None else with_le(record, command=command)
            case Binary() if command.ins == 0xB0:
                piece = file.data[command.offset : command.offset + (command.le or 0)]
                return with_le(piece, command=command) if piece else BEYOND_END
        return WRONG_ORDER

    def _append(self, command: Command) -> bytes:
        if 0x87 not in self._proved or self._folder != "DF02":
            return NOT_ALLOWED
        file = self.files.get(self._file)
        if not isinstance(file, Plain) or (command.p1, command.p2) != (0, 3):
            return WRONG_ORDER
        if len(command.data) != file.length:
            return WRONG_LENGTH
        file.written = [command.data, *file.written][: file.count]
        return OK


class SamEmulator(EmulatedCard):
    """A SAM (domain facts 2.3, 2.4).

    Args:
        sam_type: 1..5; the reading keys are in 1, 2 and 3, the writing keys in 2 and 3.
        keys: The issuer's; None: the test keys.
        valid_until: Eight digits.
    """

    def __init__(
        self,
        *,
        sam_type: int = 1,
        pin: bytes = PIN,
        serial: bytes = SAM_SERIAL,
        keys: Mapping[int, bytes] = TEST_KEYS,
        valid_until: str = "20281231",
        is_selection_told: bool = False,
        atr: bytes = SAM_ATR,
    ) -> None:
        held = _KEYS_BY_TYPE.get(sam_type, [])
        self._keys = {index: key for index, key in keys.items() if index in held}
        self._pin = pin
        self.tries = TRIES
        validity = b"\x01" + b"ISSUER01" + b"CLINIC01" + bytes.fromhex("20260101" + valid_until)
        self.files = {
            "3F00/0015": serial + bytes((0x01, sam_type, 0x01, 0x00)),
            "3F00/0016": bytes.fromhex("110100000007"),
            "DF01/001A": validity,
        }
        super().__init__(atr=atr, is_selection_told=is_selection_told)

    def power_on(self) -> None:
        super().power_on()
        self._folder = "3F00"
        self._file = ""
        self._is_verified = False
        self._session: bytes | None = None

    def answer(self, command: Command) -> bytes:
        match command.head:
            case (0x00, 0xA4):
                return self._select(command.data.hex().upper())
            case (0x00, 0xB0):
                return self._read(command)
            case (0x00, 0x20):
                return self._verify(command.data)
            case (0x80, 0xDE):
                return self._derive(command)
            case (0x80, 0xFA):
                return self._encipher(command.data)
        return NO_INSTRUCTION

    def _select(self, name: str) -> bytes:
        if name == "3F00" or (name == "DF01" and self._folder == "3F00"):
            self._folder, self._file, self._is_verified, self._session = name, "", False, None
            return self._selected
        path = f"{self._folder}/{name}"
        if path not in self.files:
            return NOT_FOUND
        self._file = path
        return self._selected

    def _read(self, command: Command) -> bytes:
        if not self._file:
            return WRONG_ORDER
        if self._folder == "DF01" and not self._is_verified:
            return NOT_ALLOWED
        return with_le(self.files[self._file], command=command)

    def _verify(self, pin: bytes) -> bytes:
        if self._folder != "DF01":
            return NO_KEY
        if not self.tries:
            return BLOCKED
        self._is_verified = pin == self._pin
        self.tries = TRIES if self._is_verified else self.tries - 1
        return OK if self._is_verified else bytes((0x63, 0xC0 | self.tries))

    def _derive(self, command: Command) -> bytes:
        if not self._is_verified:
            return NOT_ALLOWED
        if command.p1 != 0x47 or command.p2 not in self._keys:
            return NO_KEY
        if len(command.data) != 24:
            return WRONG_LENGTH
        card, city, challenge = command.data[:8], command.data[8:16], command.data[16:]
        card_key = diversified(self._keys[command.p2], city=city, card=card)
        self._session = simulated_sm1(card_key, data=challenge)
        return OK

    def _encipher(self, data: bytes) -> bytes:
        session, self._session = self._session, None
        if session is None:
            return WRONG_ORDER
        return self.later(simulated_sm1(session, data=data)) if len(data) == 16 else WRONG_LENGTH


class SocialSecurityCardEmulator(EmulatedCard):
    """A social security card (domain facts 4).

    Args:
        gate: What it answers to a READ RECORD of EF06; empty: the record.
        says_length_by: First byte of the status word with the length, where Le was 0; 0: it just answers.
        child_only: Whether its files are selected by P1 02 only.
    """

    def __init__(
        self,
        *,
        files: SocialFiles | None = None,
        gate: bytes = b"",
        says_length_by: int = 0x6C,
        child_only: bool = False,
        atr: bytes = SSC_ATR,
    ) -> None:
        held = files or SocialFiles()
        self._files = {"EF05": held.base, "EF06": held.holder}
        self._gate = gate
        self._says_length_by = says_length_by
        self._child_only = child_only
        super().__init__(atr=atr)

    def power_on(self) -> None:
        super().power_on()
        self._is_in_application = False
        self._file = ""

    def answer(self, command: Command) -> bytes:
        if command.head == (0x00, 0xA4):
            return self._select(command)
        if command.head != (0x00, 0xB2):
            return NO_INSTRUCTION
        if not self._file:
            return WRONG_ORDER
        if self._file == "EF06" and self._gate:
            return self._gate
        value = self._files[self._file].get(command.p1)
        if value is None:
            return NO_RECORD
        record = encode(command.p1, value=value)
        if command.le != 256 or not self._says_length_by:
            return record + OK if command.le in (256, len(record)) else bytes((0x6C, len(record)))
        return self.later(record) if self._says_length_by == 0x61 else bytes((0x6C, len(record)))

    def _select(self, command: Command) -> bytes:
        if command.p1 == 0x04:
            self._is_in_application = command.data == bytes.fromhex("7378312E73682EC9E7BBE1B1A3D5CF")
            return OK if self._is_in_application else NOT_FOUND
        name = command.data.hex().upper()
        if not self._is_in_application or name not in self._files or (self._child_only and command.p1 != 0x02):
            return NOT_FOUND
        self._file = name
        return OK


class StrangeCard(EmulatedCard):
    """A card of some other kind: it has no application that anybody asks for."""

    def answer(self, command: Command) -> bytes:
        return NOT_FOUND if command.ins == 0xA4 else NO_INSTRUCTION


class WithoutFolder(ResidentHealthCardEmulator):
    """A card that was issued without DF01, or does not let it be selected."""

    def __init__(self, answer: bytes = b"\x6a\x82") -> None:
        super().__init__()
        self._answer = answer

    def transmit(self, command: bytes) -> bytes:
        return self._answer if command.hex() == "00a4000002df01" else super().transmit(command)
