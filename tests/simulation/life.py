"""The days of one box: who comes, when it hears from its city, and how its power, disk and crystal behave."""

import heapq
import random
from collections.abc import Callable
from itertools import count
from typing import Final

from edge.trust_documents import Blob
from tests.simulation.box import Box
from tests.simulation.cards import DAY_MS, HOUR_MS
from tests.simulation.judge import Tally
from tests.simulation.network import Letter, Liar, Pattern, letters, passes, trip_ms
from tests.simulation.wallet import Wallet
from tests.simulation.witness import Recent, Witness
from tests.simulation.world import World

PPM_MAX: Final = 200  # contracts 4: d
SCANS_A_DAY: Final = 6
_MINUTE_MS: Final = 60_000


class Life:
    """One box from the first day to the last.

    Args:
        world: The city.
        number: Which box.
        seed: The run's.
        pattern: How it is connected.
        tally: Where everything is counted.
    """

    def __init__(
        self,
        world: World,
        *,
        number: int,
        seed: int,
        pattern: Pattern,
        tally: Tally,
    ) -> None:
        self._rng = rng = random.Random(f"{seed}/box/{number}")
        self._world = world
        self._number = number
        self._pattern = pattern
        self._tally = tally
        self._is_extreme = rng.random() < 0.2  # a crystal at the end of its range, always
        self._sign = rng.choice((-1, 1))
        self._sleeps = rng.random() < 0.15
        self._is_switched_off_at_night = rng.random() < 0.3
        self._cupboard = rng.randrange(1, 100) if rng.random() < 0.08 else None
        self._order = count()
        self._events: list[tuple[int, int, Callable[[int], None]]] = []
        self._wallet = Wallet(world, rng)
        self._liar = Liar(world, rng)
        self.witness = Witness(world, tally=tally)
        node = f"box-{number}"
        self.box = Box(node, root=world.documents["root", 1], at_ms=world.begin_ms, ppm=self._ppm())
        self.witness.power(self.box)

    def live(self) -> None:
        """All days."""
        days = (self._world.end_ms - self._world.begin_ms) // DAY_MS
        for day in range(days):
            begins_ms = self._world.begin_ms + day * DAY_MS
            self._plan(day, begins_ms=begins_ms)
            while self._events and self._events[0][0] < begins_ms + DAY_MS:
                at_ms, _, event = heapq.heappop(self._events)
                event(at_ms)
                if self.box.is_on and self.box.is_awake:
                    self.witness.moved(self.box, at_ms=at_ms)

    # -- the plan of a day -----------------------------------------------------------------------------------------

    def _plan(self, day: int, *, begins_ms: int) -> None:
        rng = self._rng
        self._at(begins_ms, self._new_day)
        for offset_ms in self._pattern.contacts(rng, day=day):
            self._at(begins_ms + offset_ms, self._contact)
        for _ in range(SCANS_A_DAY):
            self._at(begins_ms + self._scan_ms(), self._scan)
        if day == self._cupboard:
            self._at(begins_ms + 19 * HOUR_MS, self._power_cut)
            self._at(begins_ms + rng.randrange(2, 110) * DAY_MS, self._switch_on)
        elif self._is_switched_off_at_night:
            self._at(begins_ms + 19 * HOUR_MS, self._shut_down if rng.random() < 0.7 else self._power_cut)
            self._at(begins_ms + DAY_MS + 7 * HOUR_MS, self._switch_on)
        elif self._sleeps:
            self._at(begins_ms + 20 * HOUR_MS, self._suspend)
            self._at(begins_ms + DAY_MS + 6 * HOUR_MS, self._wake)
        if rng.random() < 0.15:
            self._at(begins_ms + 8 * HOUR_MS + rng.randrange(10 * HOUR_MS), self._reboot)
        if rng.random() < 0.05:
            self._at(begins_ms + rng.randrange(DAY_MS), self._restart_program)

    def _scan_ms(self) -> int:
        """Mostly while the clinic is open; now and then round midnight, where days begin and end."""
        rng = self._rng
        if rng.random() < 0.1:
            return rng.choice((0, DAY_MS - 5 * _MINUTE_MS)) + rng.randrange(5 * _MINUTE_MS)
        return 8 * HOUR_MS + rng.randrange(10 * HOUR_MS)

    def _at(self, at_ms: int, event: Callable[[int], None]) -> None:
        heapq.heappush(self._events, (at_ms, next(self._order), event))

    def _ppm(self) -> int:
        return self._sign * PPM_MAX if self._is_extreme else self._rng.randint(-PPM_MAX, PPM_MAX)

    @property
    def _is_up(self) -> bool:
        return self.box.is_on and self.box.is_awake

    # -- power, crystal and disk -----------------------------------------------------------------------------------

    def _new_day(self, at_ms: int) -> None:
        """Another temperature; and somebody sets the shown clock to anything."""
        if self.box.is_on:
            self.box.advance(at_ms, ppm=self._ppm())
        self.box.wall_ms = self._rng.choice((0, at_ms, at_ms + 27_000 * DAY_MS, at_ms - 730 * DAY_MS))

    def _switch_on(self, at_ms: int) -> None:
        if self._is_up:  # out of the cupboard the evening before: its clock is looked at all the same
            self.box.advance(at_ms)
        elif not self.box.is_on:
            self.box.is_awake = True
            self.box.switch_on(at_ms, ppm=self._ppm())
            self.witness.power(self.box)
            self._tally.events["boots"] += 1

    def _shut_down(self, at_ms: int) -> None:
        self._end(at_ms, is_clean=True)
        self._tally.events["shutdowns"] += 1

    def _power_cut(self, at_ms: int) -> None:
        self._end(at_ms, is_clean=False)
        self._tally.events["power cuts"] += 1

    def _end(self, at_ms: int, *, is_clean: bool) -> None:
        if self._is_up:
            self.box.stop(at_ms, is_clean=is_clean)
            self._damage()

    def _reboot(self, at_ms: int) -> None:
        """With somebody before the scanner: what was shown before it is shown again after it."""
        if not self._is_up:
            return
        self.box.advance(at_ms)
        one = self._wallet.shown(self._wallet.bound_card(at_ms), at_ms, delay_ms=1000)
        self._judge(one, at_ms)
        self.witness.moved(self.box, at_ms=at_ms)
        self._at(at_ms + 5_000, self._shut_down if self._rng.random() < 0.4 else self._power_cut)
        self._at(at_ms + 20_000, self._switch_on)
        if self._pattern not in (Pattern.GONE, Pattern.WEEKLY):
            self._at(at_ms + 25_000, self._contact)
        self._at(at_ms + 24_000, lambda later_ms: self._again(one, later_ms))
        self._at(at_ms + 40_000 + self._rng.randrange(45_000), lambda later_ms: self._again(one, later_ms))

    def _restart_program(self, at_ms: int) -> None:
        """The program is killed; the box and its own clock run on."""
        if self._is_up:
            self._end(at_ms, is_clean=False)
            self._at(at_ms + 2_000, self._start_program)
            self._tally.events["program restarts"] += 1

    def _start_program(self, at_ms: int) -> None:
        if not self.box.is_on:
            self.box.start(at_ms)
            self.witness.power(self.box)

    def _suspend(self, at_ms: int) -> None:
        if self._is_up:
            self.box.suspend(at_ms)
            self._tally.events["suspends"] += 1

    def _wake(self, at_ms: int) -> None:
        if self.box.is_on and not self.box.is_awake:
            self.box.wake(at_ms)

    def _damage(self) -> None:
        """What a card in the box suffers: the cache is gone or a byte of it is another; the clock's file is lost."""
        rng, disk = self._rng, self.box.disk
        if rng.random() < 0.02:
            disk.cache.clear()
            self._tally.events["caches lost"] += 1
        elif disk.cache and rng.random() < 0.05:
            # An order that neither keys nor the hash seed of the interpreter change.
            sm3 = rng.choice(sorted(disk.cache, key=lambda name: (len(disk.cache[name]), disk.cache[name][:1] == b"{")))
            data = disk.cache[sm3]
            disk.cache[sm3] = data[:-1] + bytes((data[-1] ^ 1,)) if data else b"\0"
            self._tally.events["caches damaged"] += 1
        if rng.random() < 0.01 and disk.floor is not None:
            disk.floor = rng.choice((None, disk.floor.replace(b"1 1", b"1 4", 1), disk.floor[:-9]))
            self.witness.lost_floor(self.box)
            self._tally.events["clock files lost"] += 1

    # -- the city --------------------------------------------------------------------------------------------------

    def _contact(self, at_ms: int) -> None:
        """The box asks its city; what comes of it arrives later, or never."""
        if not self._is_up:
            return
        rng, box = self._rng, self.box
        day = (at_ms - self._world.begin_ms) // DAY_MS
        box.advance(at_ms)
        nonce, receipt_nonce = rng.randbytes(16), rng.randbytes(16)
        box.ask(nonce)
        box.ask(receipt_nonce)
        up_ms, down_ms = trip_ms(rng)
        signed_ms = at_ms + up_ms
        if signed_ms >= self._world.end_ms:
            return
        mail = letters(rng, world=self._world, box=box, at_ms=signed_ms, nonce=nonce)
        receipt = self._world.receipt(signed_ms, node=box.node, nonce=receipt_nonce)
        mail.insert(rng.randrange(len(mail) + 1), Letter(data=receipt, is_receipt=True))
        mail = [letter for letter in mail if passes(self._pattern, letter, day=day, number=self._number)]
        if self._pattern is Pattern.REPLAYING or rng.random() < 0.02:
            old = list(self._liar.old(self._world.at(signed_ms)))
            keeps_back = rng.random() < 0.5
            mail = [*old, *(letter for letter in mail if not keeps_back or letter.role is None)]
        if rng.random() < 0.06:
            mail = [*self._liar.lies(box, at_ms=signed_ms, nonce=nonce), *mail]
            self._tally.events["lies"] += 1
        if down_ms > 1000:
            self._tally.events["late answers"] += 1
        self._at(signed_ms + down_ms, lambda later_ms: self._arrives(mail, later_ms))

    def _arrives(self, mail: list[Letter], at_ms: int) -> None:
        if not self._is_up:
            return
        self.box.advance(at_ms)
        for letter in mail:
            if self._rng.random() < 0.01:
                return  # the link breaks
            self._takes(letter)
            self.witness.moved(self.box, at_ms=at_ms)

    def _takes(self, letter: Letter) -> None:
        if letter.is_receipt:
            self.box.hear_receipt(letter.data)
            return
        step = self.box.offer(letter.data, role=letter.role, blob=self._blob)
        signed = getattr(step, "time", None)
        if signed is not None:
            self._tally.broken["forged time"] += not letter.is_true
            self.witness.answered(signed.time_ms, held=self.box.held)
            self._liar.listen(letter.data)

    def _blob(self, wanted: Blob) -> bytes | None:
        """What a blob's transfer brings: the blob, nothing, or something else."""
        draw = self._rng.random()
        if draw < 0.97:
            return self._world.blobs.get(wanted.sm3)
        return None if draw < 0.99 else b"something else"

    # -- people ----------------------------------------------------------------------------------------------------

    def _scan(self, at_ms: int) -> None:
        if self._is_up:
            self.box.advance(at_ms)
            self._judge(self._wallet.deal(at_ms, recent=list(self.witness.recent)), at_ms)

    def _again(self, one: Recent, at_ms: int) -> None:
        if self._is_up:
            self.box.advance(at_ms)
            self._judge(self._wallet.again(one), at_ms)

    def _judge(self, one: Recent, at_ms: int) -> None:
        again = one if any(one is recent for recent in self.witness.recent) else None
        facts = self.witness.facts(self.box, one.showing, at_ms=at_ms, again=again)
        verdict = self.box.scan(one.showing.text).verdict
        self._tally.judge(verdict, showing=one.showing, facts=facts, pattern=self._pattern)
        self.witness.shown(one, verdict, now=facts.now)
