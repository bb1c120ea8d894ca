"""Reading a resident health card (居民健康卡): the issuer's file free, everything else with a SAM (domain facts 2).

A file that cannot be read is named with its cause, and the rest is read. Once the card has refused a proof, it is given
no other: the SAM belongs to other keys, and a card counts wrong proofs.
"""

from collections.abc import Iterable
from itertools import groupby
from typing import assert_never

from drivers.conversation import CardRead
from drivers.framing.apdu import StatusWord
from edge.apdu_talk import ApduLine, Part, read_binary, read_record_no, why_unread
from edge.card_content import (
    Allergy,
    CardItem,
    Holder,
    Immunization,
    MedicalWarnings,
    ResidentHealthCard,
    SamUse,
    Unread,
    UnreadFile,
)
from edge.card_items import Value, day_of, decoded, is_written, number_of, read_items, text_of
from edge.rhc_access import Issued, factors_of, open_folder, read_issuer
from edge.rhc_files import (
    ALLERGY_FILE,
    DDF1,
    HOLDER_FILE,
    IMMUNIZATION_FILE,
    ISSUER_FILE,
    PHOTO_FILE,
    VALIDITY_FILE,
    WARNINGS_FILE,
    CardFile,
    Folder,
    Form,
    Profile,
    issuer_file,
    wanted_files,
)
from edge.sam import Sam

BLOCK_BYTES = 0x80  # domain facts 2.2
_LENGTH_BYTES = 2  # in front of the photo

_FINAL = (Unread.REFUSED, Unread.SAM_PIN, Unread.SAM_LOST)
"""No other folder is tried after these; a SAM may lack the key of one folder and have the next one's."""

_Record = dict[str, Value]


def read_card(line: ApduLine, *, atr: bytes, sam: Sam | None, files: Profile) -> Part[CardRead | None]:
    """Read the card whose health application is selected.

    Args:
        line: To the card and the SAM.
        atr: The card's.
        sam: Not opened yet; None: there is none.
        files: What is wanted.

    Returns:
        None: it is no resident health card, or none that can be read.
    """
    issued = yield from read_issuer(line, file=issuer_file(files))
    if issued is None:
        return None
    reading = _Reading(line, issued=issued)
    yield from reading.read_locked(wanted_files(files), atr=atr, sam=sam)
    return CardRead(data=issued.data, content=reading.content(sam))


class _Reading:
    """What has been read of one card so far."""

    def __init__(self, line: ApduLine, *, issued: Issued) -> None:
        self._line = line
        self._issued = issued
        self._items: dict[str, _Record] = {ISSUER_FILE: dict(issued.read.values)}
        self._cycles: dict[str, list[_Record]] = {}
        self._opened: list[str] = []
        self._unread: list[UnreadFile] = []
        self._folder = DDF1
        if issued.read.cause is not None:
            self._unread.append(UnreadFile(file=ISSUER_FILE, cause=issued.read.cause))

    def read_locked(self, files: tuple[CardFile, ...], *, atr: bytes, sam: Sam | None) -> Part[None]:
        """Read the files that need a SAM, folder by folder."""
        factors = factors_of(self._issued, atr=atr)
        if sam is None or factors is None:
            self._leave(files, cause=Unread.NO_SAM if sam is None else Unread.DAMAGED)
            return
        cause = (yield from sam.identify()) or (yield from sam.unlock())
        for folder, group in groupby(files, key=lambda file: file.folder):
            in_folder = tuple(group)
            if cause is not None:
                self._leave(in_folder, cause=cause)
                continue
            missing = yield from self._enter(folder)
            failed = missing or (yield from open_folder(self._line, folder=folder, sam=sam, factors=factors))
            if failed is None:
                for file in in_folder:
                    yield from self._read_file(file)
                continue
            self._leave(in_folder, cause=failed)
            if missing is None and failed in _FINAL:
                cause = failed

    def content(self, sam: Sam | None) -> ResidentHealthCard:
        """Say what all of it means."""
        issuer, validity = self._items[ISSUER_FILE], self._items.get(VALIDITY_FILE, {})
        allergies, immunizations = self._cycles.get(ALLERGY_FILE), self._cycles.get(IMMUNIZATION_FILE)
        return ResidentHealthCard(
            card_no=self._issued.card_no,
            city=self._issued.city,
            issued=day_of(issuer.get("issued")),
            valid_until=day_of(validity.get("valid_until")),
            holder=_holder(self._items.get(HOLDER_FILE)),
            warnings=_warnings(self._items.get(WARNINGS_FILE)),
            allergies=None if allergies is None else tuple(_allergy(record) for record in allergies),
            immunizations=None if immunizations is None else tuple(_immunization(record) for record in immunizations),
            items=tuple(self._all_items()),
            sam_use=sam_use(sam, files=self._opened),
            unread=tuple(self._unread),
        )

    def _enter(self, folder: Folder) -> Part[Unread | None]:
        """Select a folder; None: done."""
        if folder == self._folder:
            return None
        if self._folder != DDF1:
            yield from self._line.select(DDF1.fid)  # the others stand in it, not in each other
        self._folder = folder
        selected = yield from self._line.select(folder.fid)
        return None if selected.is_ok else why_unread(selected)

    def _leave(self, files: Iterable[CardFile], *, cause: Unread) -> None:
        self._unread += [UnreadFile(file=file.path, cause=cause) for file in files]

    def _read_file(self, file: CardFile) -> Part[None]:
        """Read one file of the open folder."""
        selected = yield from self._line.select(file.fid)
        if not selected.is_ok:
            self._leave((file,), cause=why_unread(selected))
            return
        match file.form:
            case Form.RECORDS:
                cause = yield from self._read_records(file)
            case Form.CYCLIC:
                cause = yield from self._read_cycle(file)
            case Form.FLAGS:
                cause = yield from self._read_flags(file)
            case Form.BINARY:
                cause = yield from self._read_binary(file)
            case _:
                assert_never(file.form)
        if cause is not None:
            self._leave((file,), cause=cause)
        if file.path in self._items or file.path in self._cycles:
            self._opened.append(file.path)

    def _read_records(self, file: CardFile) -> Part[Unread | None]:
        read = yield from read_items(self._line, items=file.items)
        if read.values or read.cause is None:
            self._items[file.path] = read.values
        return read.cause

    def _read_cycle(self, file: CardFile) -> Part[Unread | None]:
        """Read the newest record and those before it, up to the first that was never written."""
        records: list[_Record] = []
        cause = None
        for number in range(1, file.record_count + 1):
            answer = yield from self._line.send(read_record_no(number, response_bytes=file.record_bytes))
            if answer.sw == StatusWord.RECORD_NOT_FOUND:
                break
            if not answer.is_ok or len(answer.data) != file.record_bytes:
                cause = Unread.DAMAGED if answer.is_ok else why_unread(answer)
                break
            if not is_written(answer.data):
                break
            records.append(plain_record(answer.data, file=file))
        if records or cause is None:
            self._cycles[file.path] = records
        return cause

    def _read_flags(self, file: CardFile) -> Part[Unread | None]:
        flags: _Record = {}
        for number in range(1, file.record_count + 1):
            answer = yield from self._line.send(read_record_no(number, response_bytes=file.record_bytes))
            if not answer.is_ok or len(answer.data) != file.record_bytes:
                return Unread.DAMAGED if answer.is_ok else why_unread(answer)
            flags[f"flag_{number}"] = answer.data[0]
        self._items[file.path] = flags
        return None

    def _read_binary(self, file: CardFile) -> Part[Unread | None]:
        data = b""
        bytes_max = file.bytes_max
        while len(data) < bytes_max:
            answer = yield from self._line.send(read_binary(len(data), response_bytes=BLOCK_BYTES))
            if answer.sw == StatusWord.WRONG_OFFSET and data:
                break  # the file ended with the block before
            if not answer.is_ok and answer.sw != StatusWord.END_OF_FILE:
                return why_unread(answer)
            data += answer.data
            if file.path == PHOTO_FILE:  # domain facts 2.2: its length in front, big-endian
                bytes_max = min(file.bytes_max, _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "big"))
            if len(answer.data) < BLOCK_BYTES:
                break
        self._items[file.path] = {"bytes": data[:bytes_max]}
        return None

    def _all_items(self) -> Iterable[CardItem]:
        for path, values in self._items.items():
            for name, value in values.items():
                yield CardItem(file=path, name=name, value=value)
        for path, records in self._cycles.items():
            for number, record in enumerate(records, start=1):
                for name, value in record.items():
                    yield CardItem(file=path, name=f"{name}_{number}", value=value)


def plain_record(data: bytes, *, file: CardFile) -> dict[str, Value]:
    """Decode a record without TLV; what is empty or not as its type says is absent."""
    values: dict[str, Value] = {}
    at = 0
    for item in file.items:
        value = decoded(data[at : at + item.length], shape=item.shape)
        if value is not None:
            values[item.name] = value
        at += item.length
    return values


def sam_use(sam: Sam | None, *, files: Iterable[str]) -> SamUse | None:
    """Say what a SAM was used for; None: it took no part."""
    if sam is None or not sam.has_proved:
        return None
    return SamUse(number=sam.number, type=sam.type, files=tuple(files))


def _holder(values: _Record | None) -> Holder | None:
    if values is None:
        return None
    return Holder(
        name=text_of(values.get("name")),
        sex=number_of(values.get("sex")),
        nation=text_of(values.get("nation")),
        birth=day_of(values.get("birth")),
        id_no=text_of(values.get("id_no")),
    )


def _warnings(values: _Record | None) -> MedicalWarnings | None:
    if values is None:
        return None
    return MedicalWarnings(
        abo=number_of(values.get("abo")),
        rh=number_of(values.get("rh")),
        asthma=number_of(values.get("asthma")),
        heart_disease=number_of(values.get("heart_disease")),
        cardiovascular_disease=number_of(values.get("cardiovascular_disease")),
        epilepsy=number_of(values.get("epilepsy")),
        coagulation_disorder=number_of(values.get("coagulation_disorder")),
        diabetes=number_of(values.get("diabetes")),
        glaucoma=number_of(values.get("glaucoma")),
        dialysis=number_of(values.get("dialysis")),
        transplant=number_of(values.get("transplant")),
        missing_organ=number_of(values.get("missing_organ")),
        prosthesis=number_of(values.get("prosthesis")),
        pacemaker=number_of(values.get("pacemaker")),
        other=text_of(values.get("other")),
    )


def _allergy(record: _Record) -> Allergy:
    return Allergy(substance=text_of(record.get("substance")), reaction=text_of(record.get("reaction")))


def _immunization(record: _Record) -> Immunization:
    return Immunization(name=text_of(record.get("name")), day=day_of(record.get("day")))
