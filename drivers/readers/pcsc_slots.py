"""The slots of a PC/SC reader, watched and talked with; all of it blocks, in a thread of its own.

A slot is waited on, never asked. After each talk it is looked at anew: while a talk runs, nobody waits, and a card that
was exchanged meanwhile shows by pcscd's count of insertions and removals, not by a change.
"""

import queue
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from typing import Protocol

from drivers.conversation import CardRead, CardTalk, Conversation, Slot, carry
from drivers.errors import CardLostError, FrameError, ReaderLostError
from drivers.reader import LostCause
from drivers.transport.pcsc import SlotState

RELIST_S = 60.0
"""pcscd tells of a reader that comes; should it have come between two calls, it is seen after this."""

ATR_BYTES_MIN = 2  # ISO/IEC 7816-3 8.1: TS and T0

MUTE = b"\0"
"""What names a card that could not be read; no answer to reset begins so (ISO/IEC 7816-3 8.1)."""

_NS_PER_S = 1_000_000_000


class HeldCard(Protocol):
    """A card to talk with, until the end of ``with``."""

    def transmit(self, command: bytes) -> bytes:
        """Send a command APDU and return the response APDU."""
        ...


class SlotContext(Protocol):
    """A connection to the service that owns the slots; see `drivers.transport.pcsc.PcscContext`."""

    def readers(self) -> list[str]:
        """Return the names of the slots there are."""
        ...

    def wait_change(
        self, known: list[SlotState], *, timeout_s: float | None, hot_plug: bool = False
    ) -> list[SlotState]:
        """Wait until something is not as it is known."""
        ...

    def connect(self, reader: str, *, slot: Slot) -> AbstractContextManager[HeldCard]:
        """Take hold of the card in a slot."""
        ...

    def cancel(self) -> None:
        """End a `wait_change` that another thread is in."""
        ...


class Listener(Protocol):
    """Who is told what happens in the slots, in the thread in which it happens."""

    def opened(self, context: SlotContext) -> None:
        """The reader is there; `context` may be cancelled from now on."""
        ...

    def begins(self) -> None:
        """A talk begins."""
        ...

    def read(self, read: CardRead) -> None:
        """A talk has ended well; the card is still held."""
        ...

    def ends(self) -> None:
        """The talk is over, well or not."""
        ...

    def dropped(self) -> None:
        """A card was there and nothing could be read."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A conversation that somebody wants with the card now in the slot.

    Attributes:
        conversation: Just begun.
        answer: Told how it ended.
        is_taken: Set when the thread has it.
        is_unwanted: Set when nobody waits for it any more; it is not begun then.
    """

    conversation: Conversation = field(repr=False)
    answer: Callable[[CardRead | CardLostError | FrameError], None]
    is_taken: threading.Event = field(default_factory=threading.Event)
    is_unwanted: threading.Event = field(default_factory=threading.Event)


class StoppedError(Exception):
    """The thread was asked to end, and does."""


class SlotWatch:
    """The slots of one reader, from opening to closing.

    Args:
        reader: Part of the name of the slot for a person's card.
        sam_reader: Part of the name of another slot, for the SAM; empty: there is none.
        read_s_max: Limit of a talk.
        talk: What to say to cards.
        open_context: Connects to the service, inside ``with``.
        listener: Who is told.
        clock_ns: The monotonic clock.
    """

    def __init__(
        self,
        *,
        reader: str,
        sam_reader: str,
        read_s_max: int,
        talk: CardTalk,
        open_context: Callable[[], AbstractContextManager[SlotContext]],
        listener: Listener,
        clock_ns: Callable[[], int],
    ) -> None:
        self.is_stopped = threading.Event()
        self.asked: queue.SimpleQueue[Asked] = queue.SimpleQueue()
        self._reader = reader
        self._sam_reader = sam_reader
        self._limit_ns = read_s_max * _NS_PER_S
        self._talk = talk
        self._open_context = open_context
        self._listener = listener
        self._clock_ns = clock_ns
        self._slots: dict[Slot, SlotState] = {}
        self._dealt: dict[Slot, int] = {}  # the count of the card that was dealt with, as long as it is in

    def run(self) -> None:
        """Watch until told to stop.

        Raises:
            StoppedError: It was.
            ReaderLostError: The reader or the service is gone.
        """
        with self._open_context() as context:
            name = _named(self._reader, context.readers())
            if name is None:
                raise ReaderLostError(LostCause.MISSING)
            self._slots[Slot.CARD] = SlotState(reader=name)
            self._find_sam_slot(context)
            self._listener.opened(context)
            while True:
                self._heed_stop()
                self._serve_asked(context)
                self._look(context)
                self._deal_with(Slot.SAM, context=context)
                self._deal_with(Slot.CARD, context=context)

    def _look(self, context: SlotContext) -> None:
        """Wait until something changes."""
        is_searching = bool(self._sam_reader) and Slot.SAM not in self._slots
        slots = list(self._slots)
        states = context.wait_change(
            list(self._slots.values()), timeout_s=RELIST_S if is_searching else None, hot_plug=is_searching
        )
        self._slots = dict(zip(slots, states, strict=True))
        if not self._slots[Slot.CARD].is_there:
            raise ReaderLostError(LostCause.UNPLUGGED)
        if Slot.SAM in self._slots and not self._slots[Slot.SAM].is_there:
            del self._slots[Slot.SAM]
        if is_searching:
            self._find_sam_slot(context)

    def _find_sam_slot(self, context: SlotContext) -> None:
        if self._sam_reader:
            others = [name for name in context.readers() if name != self._slots[Slot.CARD].reader]
            name = _named(self._sam_reader, others)
            if name is not None:
                self._slots[Slot.SAM] = SlotState(reader=name)

    def _deal_with(self, slot: Slot, *, context: SlotContext) -> None:
        """Talk with the card in a slot, once as long as it is in."""
        state = self._slots.get(slot)
        if state is None or not state.has_card:
            self._dealt.pop(slot, None)
            return
        if self._dealt.get(slot) == state.event_count:
            return
        self._dealt[slot] = state.event_count
        if state.is_mute or len(state.atr) < ATR_BYTES_MIN:
            self._drop(slot)  # the wrong way round, or dead
            return
        if slot is Slot.SAM:
            conversation = self._talk.with_sam(atr=state.atr)
        else:
            sam = self._slots.get(Slot.SAM)
            conversation = self._talk.with_card(atr=state.atr, sam_atr=sam.atr or None if sam else None)
        try:
            self._carry(conversation, context=context, tell=self._listener.read)
        except CardLostError:  # pulled, and the talk had nothing to say of it: nobody waits
            self._listener.dropped()
        except FrameError:  # still in, and too slow or endless
            self._drop(slot)

    def _drop(self, slot: Slot) -> None:
        """Nothing could be read; whoever put the card in waits, and must hear of it."""
        self._listener.dropped()
        if slot is Slot.CARD:
            self._listener.read(CardRead(data=MUTE, content=None))

    def _serve_asked(self, context: SlotContext) -> None:
        while not self.asked.empty():
            asked = self.asked.get()
            asked.is_taken.set()
            if asked.is_unwanted.is_set():
                asked.conversation.close()
                continue
            try:
                self._carry(asked.conversation, context=context, tell=asked.answer)
            except (CardLostError, FrameError) as error:
                asked.answer(error)

    def _carry(self, conversation: Conversation, *, context: SlotContext, tell: Callable[[CardRead], None]) -> None:
        """Carry a conversation; the outcome is told before the cards are let go, which takes a card's reset."""
        deadline_ns = self._clock_ns() + self._limit_ns
        cards: dict[Slot, HeldCard] = {}
        self._listener.begins()
        try:
            with ExitStack() as held:

                def transmit(slot: Slot, command: bytes) -> bytes:
                    self._heed_stop()
                    if self._clock_ns() >= deadline_ns:
                        raise FrameError("a conversation that takes too long")
                    if slot not in cards:
                        cards[slot] = held.enter_context(context.connect(self._name_of(slot), slot=slot))
                    return cards[slot].transmit(command)

                tell(carry(conversation, transmit=transmit))
        finally:
            self._listener.ends()
            self._slots = {slot: replace(state, raw=0) for slot, state in self._slots.items()}

    def _name_of(self, slot: Slot) -> str:
        if slot not in self._slots:
            raise CardLostError(slot)
        return self._slots[slot].reader

    def _heed_stop(self) -> None:
        if self.is_stopped.is_set():
            raise StoppedError


def _named(part: str, names: list[str]) -> str | None:
    return next((name for name in names if part in name), None)
