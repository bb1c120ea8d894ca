"""The daemon: the only place where its parts meet.

The outbox opens first and closes last. Everything that runs is a named task of one group: SIGTERM cancels the main
task, readers and link stop, the doors close, the outbox closes, exit 0. A task that dies takes the group down: exit 70,
systemd starts it again. A missing reader, broker or trust folder never stops it.
"""

import asyncio
import logging
import os
import signal
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from drivers import registry
from drivers.feedback import registry as feedback_registry
from drivers.feedback.desk import FeedbackDesk
from drivers.feedback.device import FeedbackDevice
from drivers.keep_open import KeptOpenReader
from edge import log, machine_key, node_keys, notify, settings, upkeep
from edge.announcer import Announcer
from edge.api import server
from edge.api.access import Access
from edge.audit import epoch_audit
from edge.boot import Boot
from edge.card_talk import CardTalk
from edge.day_view import DayView
from edge.errors import ConfigError
from edge.fault import describe
from edge.gm import PublicKey, hmac_sm3, random_bytes, sm3
from edge.health import Health
from edge.intake import Intake, Origin, Verifier
from edge.ledger import Ledger
from edge.messages import Messages
from edge.node_keys import NodeKeys
from edge.replay import ReplayCache
from edge.sam_inventory import SamInventory, SamPlace
from edge.sam_memory import SamMemory
from edge.seal import Sealer
from edge.secret_file import read_or_make_secret, read_pin
from edge.settings import Settings
from edge.ticket import ticket_lines
from edge.timekeeper import Timekeeper
from edge.transaction import UUID7_RANDOM_BYTES, Transaction, uuid7
from edge.trust import TrustSet
from edge.trust_keeper import TrustKeeper
from edge.trust_opening import open_trust
from edge.trust_watch import TrustWatch
from sync.errors import StoreBusyError, StoreError
from sync.ledger import EpochChange
from sync.outbox import Outbox

if TYPE_CHECKING:
    from edge.city_link import CityLink

EXIT_OK = 0
EXIT_CRASH = 70
EXIT_BUSY = 75

OUTBOX_FILE = "outbox.db"
SAM_REFUSED_FILE = "sam.refused"
_log = logging.getLogger(__name__)


class Say(Protocol):
    """Tells whoever started the daemon what happened, by the key of its text."""

    def __call__(self, event: str, /, **members: str) -> None:
        """Say it: ``started`` {node}, ``page`` {url, link}, ``port_taken`` {url}."""
        ...


def main(configured: Settings, *, messages: Messages, say: Say) -> int:
    """Run the daemon until it is told to stop; return its exit code.

    Args:
        configured: The configuration.
        messages: Texts for the log.
        say: Tells whoever started it, on stdout.

    Raises:
        ConfigError: The configuration cannot be used on this machine; exit with 78.
    """
    log.configure(configured.log.level, environment=os.environ)
    os.umask(0o077)  # what is kept here is nobody else's; the socket gets its group's permission by itself
    try:
        return asyncio.run(run(configured, messages=messages, say=say, environment=os.environ))
    except ConfigError:
        raise
    except StoreBusyError:
        _log.error("%s", messages.text("error.already_running", where=configured.node.data_dir))
        return EXIT_BUSY
    except StoreError as fault:
        _log.critical("%s", messages.text("error.store", cause=describe(fault)))
        return EXIT_CRASH
    except Exception as fault:  # noqa: BLE001  # the last word of the process: exit code 70, and no card's content in the log
        _log.critical("%s", messages.text("error.crash", cause=describe(fault)))
        return EXIT_CRASH


async def run(configured: Settings, *, messages: Messages, say: Say, environment: Mapping[str, str]) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    loop.set_exception_handler(log.on_loop_fault)
    notifier = notify.from_environment(environment, pid=os.getpid())
    is_told_to_stop = False

    def stop() -> None:
        nonlocal is_told_to_stop
        if not is_told_to_stop and task is not None:
            is_told_to_stop = True
            notifier.stopping()
            task.cancel()

    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop)
    try:
        await _serve(configured, messages=messages, say=say, notifier=notifier)
    except asyncio.CancelledError:
        if not is_told_to_stop:
            raise
    _log.info("%s", messages.text("error.stopped_by_signal"))
    return EXIT_OK


async def _serve(configured: Settings, *, messages: Messages, say: Say, notifier: notify.Notifier) -> None:
    if configured.node.allow_test_keys:
        _log.warning("%s", messages.text("log.test_keys"))
    _make_folders(configured)
    access = Access(
        token=_secret(configured.api.token_file, key="api.token_file"),
        monotonic_s=time.monotonic,
        random_bytes=random_bytes,
    )
    keys = node_keys.load(configured.node.key_dir, allow_test_keys=configured.node.allow_test_keys)
    async with AsyncExitStack() as stack:
        outbox = await stack.enter_async_context(
            Outbox.open(configured.node.data_dir / OUTBOX_FILE, node=configured.node.name, hash=sm3)
        )
        if outbox.set_aside is not None:
            _log.error("%s", messages.text("log.set_aside", file=outbox.set_aside, lost=outbox.counts().lost))
        node = await _assemble(configured, outbox=outbox, keys=keys)
        doors = await stack.enter_async_context(
            server.start(
                settings=server.ApiSettings(
                    host=configured.api.host, port=configured.api.port, hosts_allowed=configured.api.hosts
                ),
                view=node.health,
                access=access,
                socket_path=configured.control.socket,
            )
        )
        stack.callback(node.timekeeper.save)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(outbox.ended(), name="outbox")
            tasks.create_task(node.keeper.run(), name="trust")
            tasks.create_task(node.watch.run(), name="trust folder")
            tasks.create_task(node.timekeeper.run(), name="clock")
            tasks.create_task(node.desk.run(), name="feedback")
            ticket = partial(ticket_lines, messages=messages)
            for reader in node.readers:
                announcer = Announcer(reader, desk=node.desk, ticket=ticket)
                task = _read(reader, intake=node.intake, announcer=announcer)
                tasks.create_task(task, name=f"reader {reader.name}")
            if node.link is not None:
                tasks.create_task(node.link.run(), name="uplink")
            tasks.create_task(upkeep.prune(configured.storage, outbox=outbox, timekeeper=node.timekeeper), name="prune")
            tasks.create_task(upkeep.keep_told(notifier, outbox=outbox, health=node.health), name="systemd")
            tasks.create_task(_show_page(doors, messages=messages, say=say), name="page")
            notifier.ready(node.health.line())
            say("started", node=configured.node.name)


async def _show_page(doors: server.Doors, *, messages: Messages, say: Say) -> None:
    """Say where the page is; while another program has its port, say that, and wait: scanning goes on without it."""
    if not doors.is_open:
        _log.warning("%s", messages.text("event.port_taken", url=doors.url))
        say("port_taken", url=doors.url)
        await doors.open_page_when_free()
        _log.info("the page is open")
    say("page", url=doors.url, link=doors.new_link() or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    """What was put together."""

    readers: tuple[KeptOpenReader, ...]
    desk: FeedbackDesk
    keeper: TrustKeeper
    watch: TrustWatch
    timekeeper: Timekeeper
    intake: Intake
    link: "CityLink | None"
    health: Health


async def _assemble(configured: Settings, *, outbox: Outbox, keys: NodeKeys) -> _Node:
    boot = Boot()
    node = configured.node
    keeper, timekeeper = open_trust(configured, boot=boot, keys=keys)
    watch = TrustWatch(configured.trust.dir, keeper=keeper)
    await watch.refresh()
    ledger = _ledger(configured, outbox=outbox, boot=boot, keeper=keeper, timekeeper=timekeeper)
    with suppress(StoreError):  # a full disk: the first scan says so, and tries again
        await ledger.begin()
    day_view, replay = DayView(), ReplayCache()
    for entry in await ledger.day_entries():
        day_view.add(entry)
    for shown in await ledger.replay_entries():
        replay.insert(shown)
    verifier = Verifier(
        trust=lambda: keeper.trust,
        age_since_ms=lambda: keeper.age_since_ms,
        now=timekeeper.now,
        replay=replay,
        table=settings.carriers(configured.carriers),
    )
    link = _link(configured, outbox=outbox, keys=keys, boot=boot, keeper=keeper, timekeeper=timekeeper, ledger=ledger)
    sams = SamInventory([_sam_place(sam) for sam in configured.sams])
    intake = Intake(
        origin=_origin(configured),
        verifier=verifier,
        ledger=ledger,
        timekeeper=timekeeper,
        day_view=day_view,
        random_bytes=random_bytes,
        same_act_s=configured.intake.same_act_s,
        on_unknown_issuer=(lambda: None) if link is None else link.ask_early,
        sams=sams,
    )
    readers = _readers(configured)
    desk = FeedbackDesk([_device(device, place=place) for place, device in enumerate(configured.feedback)])
    health = Health(
        node=node.name,
        allow_test_keys=node.allow_test_keys,
        readers=readers,
        feedback=desk,
        sams=sams,
        counts=outbox.counts,
        is_returned=outbox.is_quarantined,
        is_damaged=outbox.set_aside is not None,
        uplink=(lambda: {"state": "off"}) if link is None else link.status,
        keeper=keeper,
        timekeeper=timekeeper,
        wall_ms=boot.wall_ms,
        monotonic_ns=time.monotonic_ns,
        intake=intake,
        verifier=verifier,
        day_view=day_view,
    )
    return _Node(
        readers=readers,
        desk=desk,
        keeper=keeper,
        watch=watch,
        timekeeper=timekeeper,
        intake=intake,
        link=link,
        health=health,
    )


def _ledger(configured: Settings, *, outbox: Outbox, boot: Boot, keeper: TrustKeeper, timekeeper: Timekeeper) -> Ledger:
    node, started_anew = configured.node.name, outbox.started_anew
    secret = _secret(configured.storage.machine_key_file, key="storage.machine_key_file")
    return Ledger(
        store=outbox,
        sealer=Sealer(node, random_bytes=random_bytes),
        machine_key=machine_key.derive(secret.encode(), random_bytes=random_bytes),
        recipient=lambda: _city_key(keeper.trust),
        now_b_ns=boot.now_b_ns,
        day_view_days=configured.storage.day_view_days,
        first=None if started_anew is None else _audit(started_anew, timekeeper=timekeeper, node=node),
    )


def _origin(configured: Settings) -> Origin:
    node = configured.node
    return Origin(
        node=node.name,
        org=node.org,
        dept=node.dept or None,
        operator=node.operator or None,
        step=configured.intake.step,
    )


def _city_key(held: TrustSet) -> PublicKey | None:
    return None if held.root is None else held.root.city_encryption_key


def _audit(change: EpochChange, *, timekeeper: Timekeeper, node: str) -> Transaction:
    at = timekeeper.moment(timekeeper.now())
    return epoch_audit(change, message_id=uuid7(at.wall_ms, random=random_bytes(UUID7_RANDOM_BYTES)), at=at, node=node)


def _readers(configured: Settings) -> tuple[KeptOpenReader, ...]:
    cards = configured.cards
    pin = read_pin(cards.sam_pin_file, key="cards.sam_pin_file")
    # One for all: it remembers what a SAM refused.
    talk = CardTalk(
        sam_pin=pin, files=cards.files, random_bytes=random_bytes, pin_memory=_sam_memory(configured, pin=pin)
    )
    return tuple(_reader(reader, place=place, talk=talk) for place, reader in enumerate(configured.readers))


def _sam_memory(configured: Settings, *, pin: bytes | None) -> SamMemory | None:
    if pin is None:
        return None
    secret = _secret(configured.storage.machine_key_file, key="storage.machine_key_file").encode()
    return SamMemory(
        configured.node.data_dir / SAM_REFUSED_FILE,
        digest=lambda sam_no: hmac_sm3(secret, b"sam-pin\0" + sam_no.encode() + b"\0" + pin),
    )


def _reader(reader: settings.ReaderSettings, *, place: int, talk: CardTalk) -> KeptOpenReader:
    family = registry.load(reader.type)
    options = settings.reader_options(reader, place=place)
    if family.needs_talk:
        return KeptOpenReader(family.build(reader.name, settings=options, talk=talk))
    return KeptOpenReader(family.build(reader.name, settings=options))


def _device(device: settings.FeedbackSettings, *, place: int) -> FeedbackDevice:
    family = feedback_registry.load(device.type)
    return family.build(device.name, settings=settings.feedback_options(device, place=place))


def _sam_place(sam: settings.SamSettings) -> SamPlace:
    return SamPlace(number=sam.number.upper(), place=sam.place, purpose=sam.purpose, responsible=sam.responsible)


async def _read(reader: KeptOpenReader, *, intake: Intake, announcer: Announcer) -> None:
    async with aclosing(reader.readings()) as readings:
        async for reading in readings:
            await intake.take(reading, signals=announcer)


def _secret(path: Path, *, key: str) -> str:
    """Return the secret in the file that a key of the configuration names; made at first start, 0600."""
    return read_or_make_secret(path, key=key, random_bytes=random_bytes)


def _make_folders(configured: Settings) -> None:
    for key, folder in (("node.data_dir", configured.node.data_dir), ("node.key_dir", configured.node.key_dir)):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(key, expected="a folder that is there or can be made") from error


def _link(
    configured: Settings,
    *,
    outbox: Outbox,
    keys: NodeKeys,
    boot: Boot,
    keeper: TrustKeeper,
    timekeeper: Timekeeper,
    ledger: Ledger,
) -> "CityLink | None":
    if not configured.uplink.enabled:
        return None
    if keys.signing is None:
        where = configured.node.key_dir / node_keys.SIGNING_FILE
        raise ConfigError(str(where), expected="the node's signing key (from the city), or uplink.enabled = false")
    from edge.city_link import CityLink  # only here: a box that delivers nothing does without the MQTT library

    return CityLink(
        configured,
        outbox=outbox,
        signing=keys.signing,
        boot=boot,
        keeper=keeper,
        timekeeper=timekeeper,
        ledger=ledger,
    )
