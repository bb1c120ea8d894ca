"""What people show: good cards mostly, at the wrong time now and then, and everything that somebody may try."""

import bisect
import random
from dataclasses import replace
from typing import Final

from edge.ehc_code import EPOCH_S, code_text, presentation_bytes
from tests.simulation.cards import DAY_MS, Card
from tests.simulation.judge import Make, Showing
from tests.simulation.witness import Recent
from tests.simulation.world import World

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_PREFIX: Final = len("EHC1:")


class Wallet:
    """Deals showings.

    Args:
        world: Whose cards.
        rng: Decides.
    """

    def __init__(self, world: World, rng: random.Random) -> None:
        self._world = world
        self._rng = rng
        self._cards = sorted(world.cards, key=lambda card: card.given_ms)
        self._turning: dict[int, list[Card]] = {}
        for card in self._cards:
            for ms in (card.start_ms, card.end_ms, *(ms for ms, _ in card.changes)):
                self._turning.setdefault(ms // DAY_MS, []).append(card)

    def deal(self, at_ms: int, *, recent: list[Recent]) -> Recent:
        """Somebody shows something: again, forged, or as it should be."""
        rng = self._rng
        draw = rng.random()
        if recent and draw < 0.08:
            return self.again(rng.choice(recent))
        card = self._card(at_ms)
        if draw < 0.14:
            return Recent(showing=self._forged(card, at_ms), nonce=b"")
        if draw < 0.16 and card.is_bound:
            text = code_text(self._world.code(card))
            return Recent(showing=Showing(text=text, card=card, make=Make.UNSHOWN), nonce=b"")
        return self.shown(card, at_ms)

    def shown(self, card: Card, at_ms: int, *, delay_ms: int | None = None) -> Recent:
        """A card as it should be; a phone may have been slow, or its clock wrong."""
        data, nonce = self._world.code(card), self._rng.randbytes(2)
        if not card.is_bound:
            return Recent(showing=Showing(text=code_text(data), card=card), nonce=nonce)
        shown_s = (at_ms - (self._delay_ms() if delay_ms is None else delay_ms)) // 1000 - EPOCH_S
        data = presentation_bytes(data, time_s=shown_s, nonce=nonce, sign=self._world.holder_key(card).sign)
        return Recent(showing=Showing(text=code_text(data), card=card, shown_s=shown_s), nonce=nonce)

    def bound_card(self, at_ms: int) -> Card:
        """A good holder card."""
        return next(card for _ in range(1000) if (card := self._card(at_ms)).is_bound)

    def again(self, one: Recent) -> Recent:
        """The same once more; a presentation perhaps signed anew, which makes it no other."""
        if one.showing.shown_s is not None and one.showing.make is Make.GENUINE and self._rng.random() < 0.3:
            data = presentation_bytes(
                self._world.code(one.showing.card),
                time_s=one.showing.shown_s,
                nonce=one.nonce,
                sign=self._world.holder_key(one.showing.card).sign,
            )
            one.showing = replace(one.showing, text=code_text(data))
        return one

    def _card(self, at_ms: int) -> Card:
        turning = self._turning.get((at_ms + self._rng.randrange(-DAY_MS, DAY_MS)) // DAY_MS, [])
        turning = [card for card in turning if card.given_ms <= at_ms]
        if turning and self._rng.random() < 0.25:
            return self._rng.choice(turning)
        given = bisect.bisect_right(self._cards, at_ms, key=lambda card: card.given_ms)
        card = self._rng.choice(self._cards[:given])
        return card if card.end_ms > at_ms - 3 * DAY_MS else self._rng.choice(self._cards[:given])

    def _delay_ms(self) -> int:
        """From the phone's own clock to the scan."""
        draw = self._rng.random()
        if draw < 0.85:
            return self._rng.randrange(-2_000, 40_000)
        if draw < 0.93:
            return self._rng.randrange(60_000, 120_000)
        return self._rng.randrange(-900_000, 3_600_000)

    def _forged(self, card: Card, at_ms: int) -> Showing:
        world, rng = self._world, self._rng
        thief = world.key("thief")
        shown_s = at_ms // 1000 - EPOCH_S
        match rng.randrange(4):
            case 0 | 1:  # one character of the code is another
                text = self.shown(card, at_ms, delay_ms=0).showing.text
                at = rng.randrange(_PREFIX, len(text))
                other = rng.choice([letter for letter in _ALPHABET if letter != text[at]])
                text = text[:at] + other + text[at + 1 :]
            case 2:  # the thief's signature under the issuer's name
                data = world.card_of(card, signer=thief)
                if card.is_bound:
                    sign = world.holder_key(card).sign
                    data = presentation_bytes(data, time_s=shown_s, nonce=rng.randbytes(2), sign=sign)
                text = code_text(data)
            case _:  # a longer life, or a showing that the holder did not sign
                data = world.code(card)
                if card.is_bound:
                    data = presentation_bytes(data, time_s=shown_s, nonce=rng.randbytes(2), sign=thief.sign)
                else:
                    data = data[:19] + bytes((data[19] ^ 0x10,)) + data[20:]
                text = code_text(data)
        return Showing(text=text, card=card, make=Make.FORGED, shown_s=shown_s if card.is_bound else None)
