"""The worked examples of docs/protocol.md, byte by byte: whoever builds from that page builds what this node takes."""

import base64
import json
import re
import zlib
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from drivers.reading import Medium, Reading
from edge import dsse, preset_dictionary, trust
from edge.__main__ import main
from edge.card_content import Allergy, Holder, ResidentHealthCard, SamUse, Unread, UnreadFile
from edge.clock import Answer, ClockState, Mark, hear, interval
from edge.ehc_code import base45_decode, parse
from edge.gm import hmac_sm3, public_key, sm3, sm4_gcm_open
from edge.seal import open_body
from edge.status_delta import apply_delta
from edge.status_list import HashedList, StatusList, check_list
from edge.transaction import Kind, Step, from_cbor, to_cbor
from edge.verdict import OUTCOME_OF, Outcome, Reason
from sync import cbor, chain, wire
from sync.asking import Ask, BlobPiece, Fetch, Order
from sync.judge import Asked, Odd, OpenEpoch, Own, judge_batch, judge_hello
from sync.ledger import Settlement, Snapshot
from tests.support import vectors
from tests.support.intake_desk import IntakeDesk
from tests.support.trust_folder import write_folder

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
BLOCKS: dict[str, str] = dict(re.findall(r"^```\w+ (\S+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE))
HEX_LINE = re.compile(r"((?:[0-9a-f]{2})+)(?:  .*)?")
NODE = "370881-0042"
LEDGER = vectors.load("ledger")


def hex_of(name: str) -> list[bytes]:
    """The bytes of each line of a hex block."""
    return [bytes.fromhex(found[1]) for line in BLOCKS[name].splitlines() if (found := HEX_LINE.fullmatch(line))]


def lines_of(name: str) -> list[str]:
    """The lines of a hex block that are not hex."""
    return [line for line in BLOCKS[name].splitlines() if not HEX_LINE.fullmatch(line)]


def json_of(name: str) -> Any:
    """The value of a JSON block."""
    return json.loads(BLOCKS[name])


def shown(value: Any) -> Any:
    """A CBOR value as the page writes it in JSON."""
    if isinstance(value, bytes):
        return f"h'{value.hex()}'"
    if isinstance(value, dict):
        return {name: shown(member) for name, member in value.items()}
    return [shown(item) for item in value] if isinstance(value, list) else value


def holds(part: Any, whole: Any) -> bool:
    """Whether a value holds all that another says, which may leave members out."""
    if not isinstance(part, dict):
        return bool(part == whole)
    return part.keys() <= whole.keys() and all(holds(member, whole[name]) for name, member in part.items())


def test_the_page_names_every_example_once_and_each_is_checked_here() -> None:
    """An example that nobody checks would rot; so would one that hides behind another of its name."""
    names = re.findall(r"^```\w+ (\S+)$", PAGE, re.MULTILINE)

    assert len(names) == len(set(names)) == len(BLOCKS)
    assert [name for name in names if f'"{name}"' not in Path(__file__).read_text(encoding="utf-8")] == []


def test_the_tables_hold_every_word_that_crosses_the_border() -> None:
    """Reasons by their outcome (3), kinds and steps (6.1), types of frames (7): a new word is a change of the page."""
    rows = {cells[0]: cells[1:] for line in PAGE.splitlines() if (cells := line.strip("| ").split(" | "))[1:]}
    reasons = {words.split(":")[0]: set(re.findall(r"[A-Z_]{5,}", cells[0])) for words, cells in rows.items()}

    for outcome in Outcome:
        assert reasons[outcome] == {reason for reason, its in OUTCOME_OF.items() if its is outcome}
    assert reasons["stand in `also` only"] == set(Reason) - OUTCOME_OF.keys()
    assert rows["`kind`"] == [f"`{' '.join(Kind)}`"]
    assert rows["`step`"] == [f"`{' '.join(Step)}`"]
    assert set(re.findall(r"`(ehc\.\w+)`", PAGE)) == set(wire.FrameType)


def test_a_key_is_named_by_the_beginning_of_its_digest() -> None:
    """Section 1."""
    compressed, kid, keyid = hex_of("key")

    key = public_key(compressed)

    assert (key.kid, key.keyid) == (kid, keyid)
    assert key == vectors.key("issuer").public


def test_a_card_is_its_fields_in_a_row_and_the_issuers_signature() -> None:
    """Section 2.1, signed by the key of section 1."""
    fields, (text,) = hex_of("ehc1.card"), lines_of("ehc1.card")
    key = public_key(hex_of("key")[0])
    (domain,) = re.findall(r"the signature over ([0-9a-f]+) ", BLOCKS["ehc1.card"])

    code = parse(text)

    assert b"".join(fields) == base45_decode(text.removeprefix("EHC1:"))
    assert bytes.fromhex(domain) == b"EHC1-card\x00"
    assert key.verify(bytes.fromhex(domain) + b"".join(fields[:-1]), signature=fields[-1])
    assert (code.kid, code.index, code.card_ref) == (key.kid, 10, fields[3])
    assert (code.issued_day, code.expiry_day) == (2500, 2865)
    assert code.holder_data is not None
    assert (code.holder_data.sex, code.holder_data.birth.isoformat(), code.holder_data.name) == (
        1,
        "1985-07-07",
        "张伟",
    )


def test_a_presentation_is_a_card_with_70_bytes_behind_it() -> None:
    """Section 2.2; the holder signs everything before, the issuer's signature included."""
    (text,) = lines_of("ehc1.presentation")
    holder_key, issuer_signature, time, nonce, holder_signature = fields = hex_of("ehc1.presentation")
    data = base45_decode(text.removeprefix("EHC1:"))
    card = data[: -len(time + nonce + holder_signature)]

    assert data.endswith(b"".join(fields))
    assert len(time + nonce + holder_signature) == 70
    assert public_key(hex_of("key")[0]).verify(b"EHC1-card\x00" + card[:-64], signature=issuer_signature)
    assert public_key(holder_key).verify(b"EHC1-show\x00" + data[:-64], signature=holder_signature)
    assert int.from_bytes(time, "big") == 217_591_200


def test_the_bench_prints_the_verdicts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Section 3.3, through the command of section 10.1."""
    folder = str(write_folder(tmp_path))
    texts = {"card": lines_of("ehc1.card")[0], "presentation": lines_of("ehc1.presentation")[0]}
    cases = re.findall(r"^# the (\w+) .*\n(\S+)\n(.*(?:\n .*)*)", BLOCKS["verdicts"], re.MULTILINE)
    assert len(cases) == 3

    for shown_thing, given, verdict in cases:
        assert main(["verify", "--trust", folder, "--interval", given, "--json", texts[shown_thing]]) == 0

        printed = json.loads(capsys.readouterr().out)
        assert holds(json.loads(verdict), printed)
        assert ("hi" in printed["evidence"]) is not given.endswith(":")


def test_a_document_is_signed_over_its_type_and_its_exact_bytes() -> None:
    """Section 4.1."""
    document = BLOCKS["dsse.document"].encode()
    envelope = dsse.parse(document, size_max=len(document))
    signed = dsse.pae(envelope.payload_type, envelope.payload)
    (begins,) = re.findall(r"it begins `(DSSEv1 [^`]*)`", " ".join(PAGE.split()))

    assert json_of("dsse.document") == vectors.load("trust")["time"]
    assert signed.startswith(begins.encode())
    ((keyid, signature),) = envelope.signatures
    key = vectors.key("time_role").public
    assert keyid == key.keyid
    assert key.verify(signed, signature=signature)


@pytest.mark.parametrize(("name", "document"), [("root.payload", "root1"), ("status.payload", "status31")])
def test_a_payload_says_what_the_page_shows_of_it(name: str, document: str) -> None:
    """Sections 4.2 and 4.4, of documents that the node takes."""
    root = trust.open_root(vectors.document("root1"))
    assert trust.open_status(vectors.document("status31"), root=root).version == 31

    assert holds(json_of(name), _payload(document))


def test_an_entry_of_the_issuers_names_a_key() -> None:
    """Section 4.3."""
    issuers = trust.open_issuers(vectors.document("issuers7"), root=trust.open_root(vectors.document("root1")))
    entry = json_of("issuers.entry")

    assert entry in _payload("issuers7")["issuers"]
    assert [known.status_list for known in issuers.by_kid[hex_of("key")[1]]] == [entry["status_list"]]


def test_a_list_packs_two_bits_a_card() -> None:
    """Section 4.4: the states shown make the list that the status document names."""
    info = trust.open_status(vectors.document("status31"), root=trust.open_root(vectors.document("root1"))).lists[
        "cards-a"
    ]
    packed = bytearray(info.size // 4)
    for index, state in json.loads(lines_of("list")[0]).items():
        packed[int(index) // 4] |= state << 2 * (int(index) % 4)

    check_list(StatusList(info.size, bytes(packed)), info)
    assert packed.startswith(b"".join(hex_of("list")))
    assert trust.open_list(base64.b64decode(vectors.load("status_list")["snapshot31"]), info=info).packed == packed


def test_a_delta_leads_from_one_version_to_the_next() -> None:
    """Section 4.4: its numbers, and what the remarks make of them."""
    numbers, blob = hex_of("delta.numbers"), base64.b64decode(vectors.load("status_list")["delta_30_31"])
    root = trust.open_root(vectors.document("root1"))
    before, after = (trust.open_status(vectors.document(name), root=root) for name in ("status30", "status31"))
    snapshot = base64.b64decode(vectors.load("status_list")["snapshot30"])

    assert zlib.decompress(blob) == b"".join(numbers)
    values = [sum((byte & 0x7F) << 7 * place for place, byte in enumerate(number)) for number in numbers]
    assert re.findall(r"  (\d+) = (\d+) << 2 \| (\d)", BLOCKS["delta.numbers"]) == [
        (str(value), str(value >> 2), str(value & 3)) for value in values
    ]
    applied = apply_delta(trust.open_list(snapshot, info=before.lists["cards-a"]), blob, size=4096)
    check_list(applied, after.lists["cards-a"])


def test_a_hashed_list_holds_beginnings_of_macs() -> None:
    """Section 4.4."""
    key, index, beginning, file = hex_of("hashed")

    assert hmac_sm3(key, index)[:6] == beginning == file[:6]
    assert HashedList(key, file).contains(index)
    assert file == base64.b64decode(vectors.load("status_list")["hashed"]["blob"])


def test_a_roster_record_is_found_by_a_mac_and_opens_with_the_row_key() -> None:
    """Section 4.5."""
    carrier, person = lines_of("roster.record")
    lookup_key, row_key, lookup, length, nonce, sealed = hex_of("roster.record")
    roster = vectors.load("roster")
    manifest = json.loads(base64.b64decode(roster["manifest"]["payload"]))

    assert vectors.key("node_encryption").decrypt(base64.b64decode(manifest["key"])) == lookup_key + row_key
    assert hmac_sm3(lookup_key, carrier.encode())[:16] == lookup
    assert int.from_bytes(length, "big") == len(nonce + sealed)
    assert lookup + length + nonce + sealed in base64.b64decode(roster["blob"])
    plain = sm4_gcm_open(row_key, nonce=nonce, sealed=sealed, associated=lookup)
    assert cbor.decode(plain, bytes_max=1000) == json.loads(person)


def test_the_interval_widens_by_200_millionths() -> None:
    """Section 5: with an anchor at both ends, with a floor at one."""
    for case in json_of("interval"):
        if "anchor" in case:
            start = ClockState(floor=Mark(time_ms=0, at_b_ns=0))
            sent_b_ns, heard_b_ns = 0, case["round_trip"] * 10**6
            answer = Answer(time_ms=case["anchor"], sent_b_ns=sent_b_ns, heard_b_ns=heard_b_ns)
            state, alarm = hear(start, answer=answer)
            assert alarm is None
        else:
            heard_b_ns, state = 0, ClockState(floor=Mark(time_ms=case["floor"], at_b_ns=0))

        now = interval(state, now_b_ns=heard_b_ns + case["after"] * 10**6)

        assert (now.lo_ms, now.hi_ms) == (case["lo"], case["hi"])


def test_a_record_is_sealed_once_and_chained() -> None:
    """Sections 6.1 and 6.2."""
    *body, before, message_id, digest, head = hex_of("record.sealed")
    secret = bytes.fromhex(LEDGER["dek"])

    record = open_body(b"".join(body), secret=secret, node=NODE, message_id=message_id)

    assert from_cbor(record).id == message_id
    assert shown(cbor.decode(record, bytes_max=1000)) == json_of("record.members")
    version, key_id, nonce, sealed = body
    assert (version, key_id) == (b"\x01", bytes.fromhex(LEDGER["dek_id"]))
    packed = sm4_gcm_open(secret, nonce=nonce, sealed=sealed, associated=NODE.encode() + b"\x00" + message_id)
    assert zlib.decompressobj(zdict=preset_dictionary.tx_1()).decompress(packed) == record
    assert chain.start(NODE, 1, hash=sm3) == before
    assert sm3(b"".join(body)) == digest
    assert chain.link(before, seq=1, message_id=message_id, digest=digest, hash=sm3) == head


async def test_a_chip_card_is_recorded_with_what_it_says_and_its_sam_on_its_own(tmp_path: Path) -> None:
    """Sections 3.5 and 6.1, through the node's own intake."""
    used, _ = examples = json_of("record.cards")
    said = used["data"]["card"]
    code = bytes.fromhex(used["code"].removeprefix("h'").removesuffix("'"))
    sam = examples[1]["data"]
    content = ResidentHealthCard(
        card_no=said["card_no"],
        valid_until=date.fromisoformat(said["valid_until"]),
        holder=Holder(
            name=said["name"],
            sex=said["sex"],
            nation=said["nation"],
            birth=date.fromisoformat(said["birth"]),
            id_no=used["subject"]["id_no"],
        ),
        allergies=(Allergy(substance="青霉素", reaction="皮疹"),),
        sam_use=SamUse(number=used["terminal"]["sam_no"], type=sam["type"], files=tuple(sam["files"])),
        unread=tuple(UnreadFile(file=file, cause=Unread(cause)) for file, cause in said["unread"]),
    )
    desk = IntakeDesk(tmp_path)

    await desk.take(Reading(reader="card-1", data=code, medium=Medium.ICC, content=content, read_at_monotonic_ns=0))

    use, sam_use = desk.records()
    records = [shown(cbor.decode(to_cbor(record), bytes_max=5000)) for record in (use, sam_use)]
    assert [holds(example, record) for example, record in zip(examples, records, strict=True)] == [True, True]
    assert [record["data"] for record in records] == [example["data"] for example in examples]
    assert sam_use.refers == use.id


def test_a_receipt_is_a_signed_frame() -> None:
    """Section 7."""
    frame = wire.decode_frame(b"".join(hex_of("receipt.frame")))

    assert b"".join(hex_of("receipt.frame")).hex() == LEDGER["receipt_frame"]
    assert frame.signed.startswith(b"DSSEv1 11 ehc.receipt 131 ")
    assert vectors.key("receipt").public.verify(frame.signed, signature=frame.signature)
    assert shown(cbor.decode(frame.payload, bytes_max=1000)) == json.loads("".join(lines_of("receipt.frame")))
    assert wire.parse_receipt(frame.payload).acked == 5


def test_an_answer_does_what_its_kind_may() -> None:
    """Section 8: the same receipt may not do after a batch what it may after a hello."""
    heads = [bytes.fromhex(LEDGER["h0"]), *(bytes.fromhex(record["h"]) for record in LEDGER["records"])]
    for case in json_of("answers"):
        receipt = wire.parse_receipt(wire.decode_frame(bytes.fromhex(LEDGER[case["receipt"]])).payload)
        ledger = Snapshot(
            store=bytes(16),
            epoch=1,
            highest_epoch=1,
            next_seq=6,
            acked=0,
            head=heads[0],
            oldest=None,
            inc=case.get("inc"),
            rejected_seen=0,
        )
        own = Own(head=heads[receipt.acked] if receipt.acked < len(heads) else None)
        is_hello = case["answers"] == "hello"
        asked = Asked(epoch=1, acked=0) if is_hello else Asked(epoch=1, acked=0, first=1, last=5)

        decision = (judge_hello if is_hello else judge_batch)(asked, receipt, ledger=ledger, own=own)

        match decision:
            case Settlement():
                found = {"then": "settles", "acked": decision.acked}
            case OpenEpoch():
                found = {"then": "opens epoch", "epoch": decision.epoch}
            case Odd():
                found = {"then": "says hello", "odd": decision.value}
        assert holds(found, case)


def test_an_ask_names_what_it_wants() -> None:
    """Section 9."""
    members = json_of("ask.members")
    delta = base64.b64decode(vectors.load("status_list")["delta_30_31"])
    ask = Ask(
        node=NODE,
        nonce=bytes.fromhex(vectors.load("trust")["nonce"]),
        time=True,
        docs=members["docs"],
        fetch=Fetch(sm3=sm3(delta), offset=0, length=len(delta)),
    )

    assert shown(cbor.decode(ask.to_payload(), bytes_max=1000)) == members


def test_a_piece_of_a_blob_has_no_signature() -> None:
    """Section 9: the delta of section 4.4 in one piece."""
    frame = wire.decode_frame(b"".join(hex_of("blob.frame")))

    piece = BlobPiece.from_payload(frame.payload)

    assert (frame.type, frame.keyid, frame.signature) == (wire.FrameType.BLOB, b"", b"")
    assert piece.data == base64.b64decode(vectors.load("status_list")["delta_30_31"])
    assert (piece.offset, piece.total, sm3(piece.data)) == (0, len(piece.data), piece.sm3)


def test_an_order_is_signed_by_a_config_key() -> None:
    """Section 9."""
    frame = wire.decode_frame(b"".join(hex_of("order.frame")))
    key = vectors.key("config_role").public

    order = Order.from_payload(frame.payload)

    assert frame.keyid == key.keyid
    assert key.verify(frame.signed, signature=frame.signature)
    assert (order.kind, str(order.expires_ms)) == re.search(
        r"kind \((\w+)\).*\((\d+)\)", BLOCKS["order.frame"]
    ).groups()


def test_an_enrolment_is_bound_to_its_secret() -> None:
    """Section 11: not built yet, but its bytes are fixed."""
    secret, sign, enc, mac = hex_of("enrol.mac")

    assert hmac_sm3(secret, NODE.encode() + b"\x00" + sign + enc) == mac


def _payload(name: str) -> Any:
    return json.loads(dsse.parse(vectors.document(name), size_max=2**20).payload)
