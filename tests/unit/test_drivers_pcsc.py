"""The slots of a PC/SC reader without pcscd: what is done when something changes, on a script of changes."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Self

import pytest

from drivers.conversation import CardRead, Conversation, Exchange, Slot
from drivers.errors import CardLostError, FrameError, ReaderLostError
from drivers.reader import LostCause
from drivers.readers.pcsc import FAMILY, PcscReader, PcscSettings
from drivers.readers.pcsc_slots import RELIST_S, Asked, SlotContext, SlotWatch, StoppedError
from drivers.registry import load
from drivers.transport.pcsc import SlotState
from tests.support.toy_card import ATR_T0, ATR_T1, ToyCard, ToyContent, ToySam, ToyTalk

CARD = SlotState(reader="Desk 00", raw=1)
SAM = SlotState(reader="Desk 01", raw=1)
CARD_IN = replace(CARD, has_card=True, atr=ATR_T1, event_count=1)
SAM_IN = replace(SAM, has_card=True, atr=ATR_T0, event_count=1)
S = 1_000_000_000


class Held:
    """A card that is held."""

    def __init__(self, card: ToyCard, *, desk: "FakeDesk") -> None:
        self._card, self._desk = card, desk

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._desk.story.append("let go")

    def transmit(self, command: bytes) -> bytes:
        self._desk.now_ns += self._desk.command_ns
        return self._card.transmit(command)


@dataclass(kw_only=True)
class FakeDesk:
    """A context that tells its changes one after the other, and who listens to what comes of them.

    Attributes:
        changes: What each waiting ends with; after the last, pcscd is gone.
        cards: The cards by slot name.
        names: The slots there are, at each asking; the last for ever.
        story: What happened.
    """

    changes: list[list[SlotState]]
    cards: Mapping[str, ToyCard] = field(default_factory=dict)
    names: list[list[str]] = field(default_factory=lambda: [[CARD.reader, SAM.reader]])
    story: list[object] = field(default_factory=list)
    known: list[list[SlotState]] = field(default_factory=list)
    waits: list[tuple[float | None, bool]] = field(default_factory=list)
    on_wait: Callable[[], None] = lambda: None
    now_ns: int = 0
    command_ns: int = 0

    def readers(self) -> list[str]:
        return self.names.pop(0) if len(self.names) > 1 else self.names[0]

    def wait_change(
        self, known: list[SlotState], *, timeout_s: float | None, hot_plug: bool = False
    ) -> list[SlotState]:
        self.known.append(known)
        self.waits.append((timeout_s, hot_plug))
        self.on_wait()
        if not self.changes:
            raise ReaderLostError(LostCause.NO_SERVICE)
        return self.changes.pop(0)

    def connect(self, reader: str, *, slot: Slot) -> Held:
        if reader not in self.cards:
            raise CardLostError(slot)
        return Held(self.cards[reader], desk=self)

    def cancel(self) -> None:
        raise AssertionError("nobody waits")

    def opened(self, context: SlotContext) -> None:
        self.story.append("opened")

    def begins(self) -> None:
        self.story.append("begins")

    def read(self, read: CardRead) -> None:
        self.story.append(read.content)

    def ends(self) -> None:
        self.story.append("ends")

    def dropped(self) -> None:
        self.story.append("dropped")

    def watch(self, *, sam_reader: str = "", talk: ToyTalk | None = None) -> SlotWatch:
        return SlotWatch(
            reader="Desk",
            sam_reader=sam_reader,
            read_s_max=10,
            talk=talk or ToyTalk(),
            open_context=lambda: nullcontext(self),
            listener=self,
            clock_ns=lambda: self.now_ns,
        )

    def run(self, *, sam_reader: str = "") -> list[object]:
        """Run to the end of the script; return what was read, and what was dropped."""
        with pytest.raises(ReaderLostError, match=LostCause.NO_SERVICE):
            self.watch(sam_reader=sam_reader).run()
        return [event for event in self.story if isinstance(event, ToyContent) or event == "dropped"]


def content(text: str, *, sam: bytes | None = None) -> ToyContent:
    return ToyContent(text=text, sam=sam, atr=ATR_T1)


def test_a_card_is_read_once_as_long_as_it_is_in() -> None:
    """Other changes of its slot make no second reading; the next card does, even one that came unseen."""
    changes = [[CARD], [CARD_IN], [CARD_IN], [replace(CARD, event_count=2)], [replace(CARD_IN, event_count=3)]]
    exchanged = [[replace(CARD_IN, event_count=5)]]
    desk = FakeDesk(changes=changes + exchanged, cards={CARD.reader: ToyCard("Li Si")})

    assert desk.run() == [content("Li Si")] * 3
    assert desk.story[:5] == ["opened", "begins", content("Li Si"), "let go", "ends"]


def test_a_slot_is_looked_at_anew_after_a_talk() -> None:
    """While a talk ran nobody waited: what was known before it is not told as known."""
    desk = FakeDesk(changes=[[CARD_IN], [CARD_IN]], cards={CARD.reader: ToyCard("Li Si")})

    desk.run()

    assert [state.raw for (state,) in desk.known] == [0, 0, 1]


def test_a_sam_is_read_before_the_card_and_told_to_it() -> None:
    """Both in at opening: the SAM speaks first, and the card's talk knows of it."""
    cards = {CARD.reader: ToyCard("Li Si"), SAM.reader: ToySam()}
    desk = FakeDesk(changes=[[CARD_IN, SAM_IN], [CARD_IN, SAM_IN]], cards=cards)

    sam, card = desk.run(sam_reader="01")

    assert sam == ToyContent(text="SAM", sam=b"\xaa\xbb\xcc\xdd", atr=ATR_T0)
    assert card == content("Li Si", sam=b"\xaa\xbb\xcc\xdd")


def test_a_sam_that_was_pulled_is_known_to_be_gone() -> None:
    """The next card's talk is told that there is none; a SAM put in later is read."""
    gone = replace(SAM, event_count=2)
    second = replace(CARD_IN, event_count=3)
    changes = [[CARD, SAM_IN], [CARD, gone], [CARD_IN, gone], [CARD, gone], [CARD, replace(SAM_IN, event_count=3)]]
    desk = FakeDesk(changes=[*changes, [second, gone]], cards={CARD.reader: ToyCard("Li Si"), SAM.reader: ToySam()})

    first_sam, card, second_sam, second_card = desk.run(sam_reader="01")

    assert (first_sam, card) == (second_sam, second_card)
    assert card == content("Li Si")


def test_a_silent_sam_is_the_talks_business() -> None:
    """The SAM is in and dead: it is dropped, and the card's talk goes on without it."""
    desk = FakeDesk(changes=[[CARD_IN, SAM_IN]], cards={CARD.reader: ToyCard("Li Si")})

    assert desk.run(sam_reader="01") == ["dropped", content("Li Si")]


def test_a_sam_reader_may_come_and_go() -> None:
    """While it is not there, readers that come are watched for, and the list is asked now and then."""
    changes = [[CARD], [CARD], [CARD, SAM_IN], [CARD, replace(SAM, is_there=False)], [CARD_IN]]
    names = [[CARD.reader]] * 3 + [[CARD.reader, SAM.reader]] + [[CARD.reader]]
    cards = {CARD.reader: ToyCard("Li Si"), SAM.reader: ToySam()}
    desk = FakeDesk(changes=changes, cards=cards, names=names)

    sam, card = desk.run(sam_reader="01")

    assert isinstance(sam, ToyContent)
    assert (sam.text, card) == ("SAM", content("Li Si"))
    searching, watching = (RELIST_S, True), (None, False)
    assert desk.waits == [searching, searching, watching, watching, searching, searching]


def test_one_slot_is_never_both() -> None:
    """A part of a name that fits both slots names the other one for the SAM."""
    desk = FakeDesk(changes=[[CARD, SAM_IN]], cards={SAM.reader: ToySam()})

    (sam,) = desk.run(sam_reader="Desk")

    assert isinstance(sam, ToyContent)
    assert sam.text == "SAM"


@pytest.mark.parametrize(
    "state", [replace(CARD_IN, is_mute=True), replace(CARD_IN, atr=b""), replace(CARD_IN, atr=b"\x3b")]
)
def test_a_mute_sam_is_nobodys_card(state: SlotState) -> None:
    """It is dropped, and nobody at the desk is told to try again: there was no card of theirs."""
    sam = replace(state, reader=SAM.reader)
    desk = FakeDesk(changes=[[CARD, sam], [CARD, sam]], cards={CARD.reader: ToyCard("Li Si"), SAM.reader: ToySam()})

    assert desk.run(sam_reader="01") == ["dropped"]
    assert None not in desk.story


@pytest.mark.parametrize(
    "state", [replace(CARD_IN, is_mute=True), replace(CARD_IN, atr=b""), replace(CARD_IN, atr=b"\x3b")]
)
def test_a_mute_card_is_told_once(state: SlotState) -> None:
    """A card the wrong way round has no answer to reset: nobody talks to it, and the person hears of it."""
    desk = FakeDesk(changes=[[state], [state]])

    assert desk.run() == ["dropped"]
    assert desk.story == ["opened", "dropped", None]


def test_a_card_pulled_in_the_middle_is_dropped_and_the_next_read() -> None:
    """A lost card costs itself only, and everything is let go."""
    desk = FakeDesk(changes=[[CARD_IN], [replace(CARD_IN, event_count=3)]])

    def exchange() -> None:
        if len(desk.known) == 2:
            desk.cards = {CARD.reader: ToyCard("Li Si")}

    desk.on_wait = exchange

    assert desk.run() == ["dropped", content("Li Si")]
    assert desk.story == ["opened", "begins", "ends", "dropped", "begins", content("Li Si"), "let go", "ends"]


@pytest.mark.parametrize(("text", "expected"), [("Li Si", content("Li Si")), ("Li Si San", "dropped")])
def test_a_talk_has_a_limit(text: str, expected: object) -> None:
    """Of ten seconds: two commands of five seconds begin within it, a third does not."""
    desk = FakeDesk(changes=[[CARD_IN]], cards={CARD.reader: ToyCard(text)}, command_ns=5 * S)

    assert desk.run() == [expected]


def test_whoever_waits_for_a_card_that_is_too_slow_hears_of_it() -> None:
    """A reading without content: the desk is told to try again, instead of nothing for ever."""
    desk = FakeDesk(changes=[[CARD_IN]], cards={CARD.reader: ToyCard("Li Si San")}, command_ns=5 * S)

    desk.run()

    assert desk.story == ["opened", "begins", "let go", "ends", "dropped", None]


def test_a_stop_is_heeded_between_two_commands() -> None:
    """The thread ends in the middle of a talk, and lets go."""
    desk = FakeDesk(changes=[[CARD_IN]])
    watch = desk.watch()

    class Stopping(ToyCard):
        def transmit(self, command: bytes) -> bytes:
            watch.is_stopped.set()
            return super().transmit(command)

    desk.cards = {CARD.reader: Stopping("Li Si")}

    with pytest.raises(StoppedError):
        watch.run()

    assert desk.story == ["opened", "begins", "let go", "ends"]


def test_a_stop_is_heeded_before_waiting() -> None:
    """A thread that is told to stop does not begin to wait."""
    desk = FakeDesk(changes=[])
    watch = desk.watch()
    watch.is_stopped.set()

    with pytest.raises(StoppedError):
        watch.run()

    assert not desk.waits


def test_a_conversation_can_be_asked_for() -> None:
    """It is carried with the card that is in, and what came of it is answered, good or bad; not if nobody waits."""
    answers: list[object] = []

    def talk(commands: Iterable[Exchange]) -> Conversation:
        for exchange in commands:  # noqa: UP028  # an iterator cannot be sent answers
            yield exchange
        return CardRead(data=b"written", content=None)

    desk = FakeDesk(changes=[[CARD], [CARD]], cards={CARD.reader: ToyCard("Li Si")})
    watch = desk.watch()
    good = Asked(conversation=talk([Exchange(command=b"\0\xb0\0\0\6")] * 2), answer=answers.append)
    bad = Asked(conversation=talk([Exchange(slot=Slot.SAM, command=b"1234")]), answer=answers.append)
    endless = Asked(conversation=talk(iter(lambda: Exchange(command=b"\0\xb0\0\0\6"), None)), answer=answers.append)

    unwanted = Asked(conversation=talk([Exchange(command=b"1234")]), answer=answers.append)
    unwanted.is_unwanted.set()

    def ask() -> None:
        if len(desk.known) == 1:
            watch.asked.put(good)
            watch.asked.put(bad)
            watch.asked.put(endless)
            watch.asked.put(unwanted)

    desk.on_wait = ask
    with pytest.raises(ReaderLostError):
        watch.run()

    read, no_sam, no_end = answers
    assert read == CardRead(data=b"written", content=None)
    assert isinstance(no_sam, CardLostError)
    assert no_sam.slot == Slot.SAM
    assert isinstance(no_end, FrameError)
    assert good.is_taken.is_set()
    assert bad.is_taken.is_set()


def test_a_missing_reader_is_missing() -> None:
    """No slot has such a name."""
    desk = FakeDesk(changes=[], names=[["Other 00"]])

    with pytest.raises(ReaderLostError, match=LostCause.MISSING):
        desk.watch().run()

    assert desk.story == []


def test_a_reader_that_goes_is_unplugged() -> None:
    """The service says that the slot is unknown."""
    desk = FakeDesk(changes=[[replace(CARD, is_there=False)]])

    with pytest.raises(ReaderLostError, match=LostCause.UNPLUGGED):
        desk.watch().run()


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"reader": ""}, "reader"),
        ({"reader": "x" * 128}, "reader"),
        ({"reader": "x", "sam_reader": "x" * 128}, "sam_reader"),
        ({"reader": "x", "read_s_max": 0}, "read_s_max"),
        ({"reader": "x", "read_s_max": 61}, "read_s_max"),
    ],
)
def test_options_out_of_range_are_named(options: dict[str, object], key: str) -> None:
    """The text says which one, and what was expected."""
    with pytest.raises(ValueError, match=f"^{key}: expected "):
        PcscSettings(**options)  # type: ignore[arg-type]


def test_the_family_needs_a_talk() -> None:
    """It is registered, and builds a closed reader."""
    family = load("pcsc")

    reader = family.build("card-1", settings=PcscSettings(reader="Desk"), talk=ToyTalk())

    assert family is FAMILY
    assert family.needs_talk
    assert isinstance(reader, PcscReader)
    assert (reader.name, reader.dropped_count) == ("card-1", 0)


async def test_a_reader_that_was_never_opened_has_no_card() -> None:
    """A conversation with it is closed and answered; reading it is a bug."""
    reader = PcscReader("card-1", settings=PcscSettings(reader="Desk"), talk=ToyTalk())

    def talk() -> Conversation:
        yield Exchange(command=b"1234")
        raise AssertionError("there is no card")

    with pytest.raises(CardLostError):
        await reader.converse(talk())
    with pytest.raises(RuntimeError, match="outside"):
        await anext(reader.readings())
