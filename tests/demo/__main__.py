"""`./dev demo`: a city, a broker, an edge node and a scanner, all real; then the network goes, and then the power.

Prints one aligned line for each thing shown, and at the end what was promised and whether it held. With ``--exit`` it
ends by itself, with code 0 only if all of it held.
"""

import argparse
import shutil
import signal
import sys
import tempfile
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from edge.messages import Language, load
from tests.demo.deck import ROSTER, Exhibit, after_the_cut, identity_cards, prepare
from tests.support.town import Shown, Town, TownError

T = TypeVar("T")
PACE_S = 0.2  # as fast as a busy desk; the same code within 5 s is the same act, so a replay must wait longer
SAME_ACT_S = 5.0
MARKS = {"ACCEPT": "✓", "ACCEPT_PENDING": "◌", "REFUSE": "✗", "RETRY": "!"}
COLOURS = {"ACCEPT": "32", "ACCEPT_PENDING": "36", "REFUSE": "31", "RETRY": "33"}
LAMPS = {"accept": "ACCEPT", "pending": "ACCEPT_PENDING", "refuse": "REFUSE", "retry": "RETRY", "check": "RETRY"}


def main() -> int:
    """Run the demo; the exit code."""
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__)
    parser.add_argument("--exit", action="store_true", help="end by itself; code 0 only if every promise held")
    parser.add_argument("--keep", action="store_true", help="keep the folder with keys, databases and logs")
    args = parser.parse_args()
    for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):  # whichever way it ends, nothing is left running
        signal.signal(each, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="ehc-demo-"))
    demo = Demo(Town(folder))
    try:
        with demo.town:
            demo.run()
            if not args.exit:
                demo.stay()
    except KeyboardInterrupt:
        print()
    except TownError as error:
        print(f"\n✗ {error}", file=sys.stderr)
        demo.promises.append((str(error).splitlines()[0], False))
        args.keep = True
    if args.keep:
        print(f"kept 保留: {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if demo.has_held else 1


class Demo:
    """The person who runs about and shows things."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.promises: list[tuple[str, bool]] = []
        self.saved: list[str] = []  # the independent ledger: ids for which "saved" was shown
        self._messages = load(Language.ZH)
        self._shown_at: dict[str, float] = {}
        self._count = 0
        self._as_expected = True

    @property
    def has_held(self) -> bool:
        """Whether there were promises and all of them held."""
        return bool(self.promises) and all(held for _, held in self.promises)

    def run(self) -> None:
        """The whole story."""
        begin = time.monotonic()
        town = self.town
        self._do("建立城市：密钥、证书、名册 a city: keys, certificates, roster", lambda: town.found(roster=ROSTER))
        exhibits = self._do("发卡、注销、挂失、发布名单 cards given out, revoked; lists signed", lambda: prepare(town))
        self._do("启动 mosquitto（TLS、客户端证书、ACL） the broker", town.start_broker)
        self._do("启动市级节点 the city node", town.start_city)
        self._do("启动边缘节点与两台读卡器 the edge node and two readers", town.start_edge)
        self._title("出示二十余种码 shown to the scanner")
        for exhibit in exhibits:
            self._show(exhibit)
        self._title("放上身份证阅读器 laid on the identity-card reader")
        for label, card, reason in identity_cards():
            self._judge(label, reason=reason, shown=town.lay(card))
        self._cut()
        self._back()
        self._promise("每个结论都如预期 every verdict is the expected one", self._as_expected)
        self._say_promises(time.monotonic() - begin)

    def stay(self) -> None:
        """Keep everything running until Ctrl-C; a line typed here is a code shown to the scanner."""
        print(f"\n本机页面 the page (link works once, 10 minutes): {self.town.link()}")
        print("输入或粘贴一个码并回车即扫码；Ctrl-C 结束。 Type or paste a code to scan it; Ctrl-C ends.")
        while True:
            line = sys.stdin.readline()
            if not line:
                time.sleep(3600)
            elif line.strip():
                self._print(line.strip()[:24], self.town.show(line.strip()))

    def _cut(self) -> None:
        town = self.town
        self._promise("市级节点已确认全部记录 the city has confirmed all so far", self._holds(town.wait_delivered))
        self._title("断网：停掉 broker the network is gone")
        town.stop("broker")
        for exhibit in after_the_cut(town):
            self._show(exhibit)
        waiting = town.status()["queue"]["waiting"]
        self._promise(f"断网时照常保存，{waiting} 条待上传 five more are saved and wait", waiting == 5)
        self._title("断电：kill -9 the daemon is killed")
        town.kill("edge")
        town.stop("city")

    def _back(self) -> None:
        town = self.town
        self._do("全部重新启动 everything starts again", self._restart)
        self._promise("积压已送达 the backlog is delivered", self._holds(town.wait_delivered))
        ids = [record["id"] for record in town.records()]
        once = f"市级节点有 {len(ids)} 条，每条恰好一次，顺序一致 the city holds each exactly once, in order"
        self._promise(once, ids == self.saved)
        self._promise("记录链完整 the chain is unbroken", bool(town.city("check", town.node)["unbroken"]))

    def _restart(self) -> None:
        self.town.start_broker()
        self.town.start_city()
        self.town.start_edge()

    def _show(self, exhibit: Exhibit) -> None:
        text = exhibit.text()
        since = time.monotonic() - self._shown_at.get(text, 0.0)
        time.sleep(max(PACE_S, SAME_ACT_S + 0.2 - since))
        self._shown_at[text] = time.monotonic()
        self._judge(exhibit.label, reason=exhibit.reason, shown=self.town.show(text))

    def _judge(self, label: str, *, reason: str, shown: Shown) -> None:
        if shown.entry["id"] not in self.saved and shown.lamp != "not_saved":
            self.saved.append(shown.entry["id"])
        self._print(label, shown)
        if shown.entry["reason"] != reason or LAMPS.get(shown.lamp) != shown.entry["outcome"]:
            self._as_expected = False
            print(f"     ✗ expected {reason}, got {shown.entry['reason']} with lamp {shown.lamp}")

    def _print(self, label: str, shown: Shown) -> None:
        self._count += 1
        entry = shown.entry
        outcome = entry["outcome"]
        word = f"{MARKS[outcome]} {self._messages.text(f'outcome.{outcome}')}"
        why = self._messages.verdict_of(reason=entry["reason"], kind=entry["carrier"])
        print(
            f"{self._count:3}  {padded(label, 46)}{coloured(padded(word, 24), COLOURS[outcome])}"
            f"{padded(why, 40)}{shown.took_s * 1000:6.1f} ms",
            flush=True,
        )

    def _do(self, what: str, work: Callable[[], T]) -> T:
        begin = time.monotonic()
        if sys.stdout.isatty():
            print(f"  …  {what}", end="\r", flush=True)
        result = work()
        print(f"  ✓  {padded(what, 70)}{time.monotonic() - begin:6.1f} s", flush=True)
        return result

    def _title(self, text: str) -> None:
        print(f"\n{coloured(text, '1')}")

    def _promise(self, text: str, held: bool) -> None:
        self.promises.append((text, held))

    def _holds(self, work: Callable[[], None]) -> bool:
        try:
            work()
        except TownError as error:
            print(f"     ✗ {error}")
            return False
        return True

    def _say_promises(self, took_s: float) -> None:
        self._title(f"承诺与结果 what was promised, and what happened ({took_s:.0f} s)")
        for text, held in self.promises:
            print(coloured(f"  {'✓' if held else '✗'}  {text}", "32" if held else "31"))


def padded(text: str, columns: int) -> str:
    """The text with blanks up to a column; Han characters take two."""
    taken = sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
    return text + " " * max(1, columns - taken)


def coloured(text: str, code: str) -> str:
    """The text in a colour, on a terminal."""
    return f"\x1b[{code}m{text}\x1b[0m" if sys.stdout.isatty() else text


if __name__ == "__main__":
    sys.exit(main())
