"""One whole talk with a resident health card and one with its writing, byte by byte.

The bytes were written by hand from domain facts 2.2 to 2.4, not by the emulated cards: what those and the talk get
wrong in the same way is seen here. The SAM's ciphers are any 16 bytes; nobody outside it can know others.
"""

import re
from datetime import date

from drivers.conversation import CardRead, Conversation, Slot
from edge.card_content import Allergy, Appended, Holder, Immunization, MedicalWarnings, ResidentHealthCard, SamUse
from tests.support.card_slots import card_talk

ATR = bytes.fromhex("3B6D00000031C064A1B2C3D4E500000000")
SAM_ATR = bytes.fromhex("3B6D0000534D54455354504C4143450001")
CARD_NO = "313130313030323031373132323530303658"

RECOGNISED = """
    card 00A4000002DDF1 9000
    card 00A4000002EF05 9000
    card 00B2060006 0604201803019000
    card 00B2080014 0812{card_no}9000
    card 00B2390005 39033708009000
"""
DATA = bytes.fromhex(f"0604201803010812{CARD_NO}3903370800")
SAM_OPENED = """
    sam 00A40000023F00 9000
    sam 00A40000020015 9000
    sam 00B000000E 1101002026000000000101{type}01009000
    sam 00A4000002DF01 9000
    sam 0020000003123456 9000
"""
DDF1_OPENED = """
    card 0084000008 01020304050607089000
    sam 80DE473118+31C064A1B2C3D4E5+3337303030303030+0102030405060708 9000
    sam 80FA000010+A0A1A2A3A4A5A6A7+0000000000000000 6110
    sam 00C0000010 00112233445566770F0E0D0C0B0A09089000
    card 0082000411+0F1F2F3F4F5F6F7F+A0A1A2A3A4A5A6A7+01 9000
"""
DF02_OPENED = """
    card 0084000008 11121314151617189000
    sam 80DE473318+31C064A1B2C3D4E5+3337303030303030+1112131415161718 9000
    sam 80FA000010+A0A1A2A3A4A5A6A7+0000000000000000 6110
    sam 00C0000010 FFEEDDCCBBAA998800000000000000009000
    card 0082008411+FFEEDDCCBBAA9988+A0A1A2A3A4A5A6A7+01 9000
"""
HOLDER = """
    card 00A4000002EF06 9000
    card 00B20B0020 0B1EB2E2CAD4CDDE{24*00}9000
    card 00B20C0003 0C01029000
    card 00B20E0006 0E04201712259000
    card 00B20F0014 0F12{card_no}9000
    card 00A4000002EF08 9000
    card 00B2070006 0704203312319000
"""
WARNINGS = """
    card 00A4000002EF05 9000
    card 00B2290003 2901019000
    card 00B22A0003 2A01029000
    card 00B22B0003 2B01019000
    card 00B22C0003 2C01009000
    card 00B22D0003 2D01FF9000
    card 00B22E0003 6A83
    card 00B22F0003 6A83
    card 00B2300003 6A83
    card 00B2310003 6A83
    card 00B2320003 6A83
    card 00B2330003 6A83
    card 00B2340003 6A83
    card 00B2350003 6A83
    card 00B2360003 6A83
    card 00B237002A 6A83
"""
CYCLES = """
    card 00A4000002EF07 9000
    card 00B2010478 C7E0C3B9CBD8{14*00}C6A4D5EE{96*00}9000
    card 00B2020478 {120*FF}9000
    card 00A4000002EF08 9000
    card 00B2010418 D2D2B8CED2DFC3E7{12*00}202001159000
    card 00B2020418 6A83
"""
WRITTEN = """
    card 00A4000002EF08 9000
    card 00B2010418 6A83
    card 0084000008 21222324252627289000
    card 0084000008 31323334353637389000
    sam 80DE472E18+31C064A1B2C3D4E5+3337303030303030+3132333435363738 9000
    sam 80FA000010+A0A1A2A3A4A5A6A7+0000000000000000 6110
    sam 00C0000010 0000000000000000FFEEDDCCBBAA99889000
    card 0082008711+FFEEDDCCBBAA9988+A0A1A2A3A4A5A6A7+01 9000
    card 00DC000318+D2D2B8CED2DFC3E7{12*00}20200115 9000
    card 00B2010418 D2D2B8CED2DFC3E7{12*00}202001159000
"""


def played(conversation: Conversation, *, script: str, sam_type: str) -> CardRead:
    """Answer a talk from a script and insist on its every command."""
    script = re.sub(r"\{(\d+)\*(..)\}", lambda found: int(found[1]) * found[2], script)
    script = script.replace("{card_no}", CARD_NO).replace("{type}", sam_type).replace("+", "")
    steps = [line.split() for line in script.splitlines() if line.strip()]
    exchange = next(conversation)
    for slot, command, answer in steps:
        assert (exchange.slot, exchange.command.hex().upper()) == (Slot(slot), command)
        try:
            exchange = conversation.send(bytes.fromhex(answer))
        except StopIteration as ended:
            assert [slot, command, answer] == steps[-1]
            return ended.value
    raise AssertionError(f"one more command: {exchange.command.hex()}")


def test_a_whole_reading_with_a_sam_sends_the_standards_bytes() -> None:
    """Each command is that of domain facts 2.2 to 2.4, and what the card says is read as they say."""
    script = RECOGNISED + SAM_OPENED + DDF1_OPENED + HOLDER + "    card 00A4000002DF02 9000" + DF02_OPENED
    conversation = card_talk().with_card(atr=ATR, sam_atr=SAM_ATR)

    read = played(conversation, script=script + WARNINGS + CYCLES, sam_type="01")

    assert read.data == DATA
    content = read.content
    assert isinstance(content, ResidentHealthCard)
    assert (content.card_no, content.city) == ("11010020171225006X", "370800")
    assert (content.issued, content.valid_until) == (date(2018, 3, 1), date(2033, 12, 31))
    assert content.holder == Holder(name="测试娃", sex=2, birth=date(2017, 12, 25), id_no="11010020171225006X")
    assert content.warnings == MedicalWarnings(abo=1, rh=2, asthma=1, heart_disease=0)
    assert content.allergies == (Allergy(substance="青霉素", reaction="皮疹"),)
    assert content.immunizations == (Immunization(name="乙肝疫苗", day=date(2020, 1, 15)),)
    files = ("DDF1/EF06", "DDF1/EF08", "DF02/EF05", "DF02/EF07", "DF02/EF08")
    assert content.sam_use == SamUse(number="11010020260000000001", type="1", files=files)
    assert content.unread == ()


def test_a_whole_appending_sends_the_standards_bytes() -> None:
    """Two challenges, the key of allergies and immunisations, the record in plain, and it is read back."""
    script = RECOGNISED + "    card 00A4000002DF02 9000" + SAM_OPENED + DF02_OPENED + WRITTEN
    conversation = card_talk().append_immunization(
        name="乙肝疫苗", day=date(2020, 1, 15), card=DATA, atr=ATR, sam_atr=SAM_ATR
    )

    read = played(conversation, script=script, sam_type="02")

    use = SamUse(number="11010020260000000001", type="2", files=("DF02/EF08",))
    assert read == CardRead(data=DATA, content=Appended(was_there=False, sam_use=use))
