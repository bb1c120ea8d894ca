"""USB devices that do not exist: a tree that looks like sysfs to udev, and its rules run over it by the real program.

The tree lies over ``/sys`` in a mount namespace of one process; ``udevadm test`` of systemd is the same code that the
daemon runs for an event, and there it makes real links and sets real rights in a ``/dev`` of its own. What it does not
do: run programs (they are listed), and hear of a device from a kernel.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

UDEVADM = shutil.which("udevadm") or "/sbin/udevadm"
HUB = "devices/pci0000:00/0000:00:14.0/usb1"
IN_ITS_OWN = ("unshare", "--mount", "--propagation=private")
GROUPS = {"dialout": 4711, "lp": 4712, "video": 4713, "input": 4714, "ehc-edge": 4715}  # numbers nobody has

# $1: the tree, $2: the rules, $3: the group file; then an action and a path for each event.
_SCRIPT = """
set -e
tree=$1 rules=$2 groups=$3; shift 3
mount --bind "$groups" /etc/group
mount --bind "$tree" /sys
mount -t tmpfs none /run
mkdir -p /run/udev/rules.d
cp "$rules"/* /run/udev/rules.d/
mount -t tmpfs none /dev
mknod /dev/null c 1 3
while read -r name kind numbers; do
  mkdir -p "/dev/$(dirname "$name")"
  mknod "/dev/$name" "$kind" $numbers
done <"$tree/nodes"
while [ $# -gt 0 ]; do
  echo "== $2"
  "$UDEVADM" test --action="$1" "/sys/$2" 2>>"$tree/log"
  shift 2
done
echo "== /dev"
find /dev -type l -printf 'link %P %l\\n' -o \\( -type c ! -name null -printf 'node %P %g %m\\n' \\)
"""


def why_not() -> str | None:
    """Return why rules cannot be run here; None: they can."""
    if not Path(UDEVADM).exists():
        return "udevadm is not here (apt-get install udev)"
    if os.geteuid() != 0:
        return "mounting over /sys needs root"
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode != 0:
        return "this machine gives no mount namespaces"
    return None


@dataclass(kw_only=True)
class Outcome:
    """What udev made of some events.

    Attributes:
        properties: Of each device, by its path below /sys.
        programs: What would have been run for it.
        links: Links below /dev and where they lead, as names below /dev.
        nodes: Group number and mode (octal) of each device node.
        log: What udev said, all of it.
    """

    properties: dict[str, dict[str, str]] = field(default_factory=dict)
    programs: dict[str, list[str]] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    nodes: dict[str, tuple[str, str]] = field(default_factory=dict)
    log: str = ""


class FakeSysfs:
    """The tree.

    Args:
        folder: Where it is made.

    Attributes:
        groups: A group file with the node's group, which a test machine does not have.
    """

    def __init__(self, folder: Path) -> None:
        self.tree = folder / "sys"
        self.events: list[tuple[str, str]] = []
        self._nodes: list[str] = []
        self.groups = folder / "group"
        known = [line for line in Path("/etc/group").read_text().splitlines() if line.split(":")[0] not in GROUPS]
        self.groups.write_text("\n".join([*known, *(f"{name}:x:{gid}:" for name, gid in GROUPS.items())]) + "\n")
        self._device("devices/pci0000:00/0000:00:14.0", subsystem="bus/pci", uevent={})
        self._device(HUB, subsystem="bus/usb", uevent={"DEVTYPE": "usb_device"})

    def usb_device(self, port: int, *, vendor: str, product: str) -> str:
        """Plug a device into a port of the only hub; return its path. It asks for autosuspend."""
        path = f"{HUB}/1-{port}"
        number = f"{vendor.lstrip('0')}/{product.lstrip('0')}/100"
        self._device(
            path,
            subsystem="bus/usb",
            driver="usb",
            uevent={"DEVTYPE": "usb_device", "PRODUCT": number, "BUSNUM": "001", "DEVNUM": f"{port:03}"},
            attributes={"idVendor": vendor, "idProduct": product, "power/control": "auto"},
        )
        self.events.append(("add", path))
        return path

    def interface(self, device: str, *, driver: str, of_class: str, event: str = "bind") -> str:
        """Give the device its interface, with the driver that is bound to it; return its path."""
        path = f"{device}/{Path(device).name}:1.0"
        self._device(
            path,
            subsystem="bus/usb",
            driver=driver,
            uevent={"DEVTYPE": "usb_interface"},
            attributes={"bInterfaceClass": of_class, "bInterfaceNumber": "00"},
        )
        self.events.append((event, path))
        return path

    def node(
        self, parent: str, *, at: str, subsystem: str, name: str, numbers: str, attributes: dict[str, str] | None = None
    ) -> str:
        """Give an interface what a program opens; return its path."""
        path = f"{parent}/{at}" if at else parent
        major, minor = numbers.split()
        self._device(
            path,
            subsystem=f"class/{subsystem}",
            uevent={"MAJOR": major, "MINOR": minor, "DEVNAME": name},
            attributes=attributes or {},
        )
        self._nodes.append(f"{name} c {numbers}")
        self.events.append(("add", path))
        return path

    def usb_serial(self, interface: str, *, driver: str, number: int) -> str:
        """Give an interface a ttyUSB; return the path of the terminal."""
        port = f"{interface}/ttyUSB{number}"
        self._device(port, subsystem="bus/usb-serial", driver=driver, uevent={}, attributes={"port_number": "0"})
        return self.node(
            port, at=f"tty/ttyUSB{number}", subsystem="tty", name=f"ttyUSB{number}", numbers=f"188 {number}"
        )

    def led(self, name: str) -> str:
        """Make an LED of the board; return its path."""
        path = f"devices/platform/leds/leds/{name}"
        self._device(path, subsystem="class/leds", uevent={}, attributes={"brightness": "0"})
        self.events.append(("add", path))
        return path

    def is_awake(self, device: str) -> bool:
        """Whether the last word written about its autosuspend was: on, do not sleep.

        What is written to a plain file does not replace a longer word there, as sysfs would: of ``auto`` it leaves
        ``onto``.
        """
        return (self.tree / device / "power/control").read_text().startswith("on")

    def run(self, *rules: Path, action: str | None = None) -> Outcome:
        """Let udev work through the events, with the system's rules and these.

        Args:
            rules: Files with names by which they take their place among the system's.
            action: Of every event, instead of its own.
        """
        folder = self.tree.parent / "rules"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for file in rules:
            shutil.copy(file, folder)
        (self.tree / "nodes").write_text("".join(f"{line}\n" for line in self._nodes))
        (self.tree / "log").write_text("")
        events = [word for each, path in self.events for word in (action or each, path)]
        done = subprocess.run(
            [*IN_ITS_OWN, "sh", "-c", _SCRIPT, "sh", str(self.tree), str(folder), str(self.groups), *events],
            env={**os.environ, "UDEVADM": UDEVADM, "SYSTEMD_DEVICE_VERIFY_SYSFS": "0", "LC_ALL": "C"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        log = (self.tree / "log").read_text()
        assert done.returncode == 0, (done.stderr, log[-2_000:])
        return _outcome(done.stdout, log=log)

    def _device(
        self,
        path: str,
        *,
        subsystem: str,
        uevent: dict[str, str],
        driver: str | None = None,
        attributes: dict[str, str] | None = None,
    ) -> None:
        folder = self.tree / path
        folder.mkdir(parents=True, exist_ok=True)
        self._link(folder / "subsystem", to=subsystem)
        if driver is not None:
            self._link(folder / "driver", to=f"{subsystem}/drivers/{driver}")
            uevent = {**uevent, "DRIVER": driver}
        (folder / "uevent").write_text("".join(f"{key}={value}\n" for key, value in uevent.items()))
        for name, value in (attributes or {}).items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(f"{value}\n")

    def _link(self, link: Path, *, to: str) -> None:
        target = self.tree / to
        target.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(target, link.parent))


def _outcome(text: str, *, log: str) -> Outcome:
    outcome, path = Outcome(log=log), ""
    for line in text.splitlines():
        if line.startswith("== "):
            path = line[3:]
        elif path == "/dev":
            kind, name, *rest = line.split(" ")
            if kind == "link":
                outcome.links[name] = os.path.normpath(f"{Path(name).parent}/{rest[0]}")
            else:
                outcome.nodes[name] = (rest[0], rest[1])
        elif line.startswith("run: "):
            outcome.programs.setdefault(path, []).append(line[5:].strip("'"))
        elif "=" in line:
            key, _, value = line.partition("=")
            outcome.properties.setdefault(path, {})[key] = value
    return outcome
