"""The udev rules, run by udev itself: over devices that do not exist, and beside devices that do."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import fake_sysfs
from tests.support.fake_sysfs import HUB, IN_ITS_OWN, UDEVADM, FakeSysfs

RULES = Path(__file__).parents[2] / "systemd/61-ehc-edge.rules"
UNIT = Path(__file__).parents[2] / "systemd/ehc-edge.service"
MANUAL = Path(__file__).parents[2] / "docs/operations.md"
HWDB = Path("/usr/lib/udev/hwdb.d/20-usb-vendor-model.hwdb")
UDEVD = Path("/lib/systemd/systemd-udevd")

# What brltty's rules of Ubuntu do with such an adapter, in as few words.
BRLTTY = """
SUBSYSTEM!="usb", GOTO="end"
ENV{PRODUCT}=="1a86/7523/*|10c4/ea60/*|403/6001/*", ENV{BRLTTY_BRAILLE_DRIVER}="bm"
LABEL="end"
"""
# As the package libccid: chip card readers are put to sleep when nobody asks them.
LIBCCID = """
ACTION=="add", SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", ATTR{power/control}="auto"
"""

ADAPTERS = [
    ("1a86", "7523", "ch341", "ch341-uart"),
    ("10c4", "ea60", "cp210x", "cp210x"),
    ("0403", "6001", "ftdi_sio", "ftdi_sio"),
    ("067b", "2303", "pl2303", "pl2303"),
]


@pytest.fixture
def sysfs(tmp_path: Path) -> FakeSysfs:
    if reason := fake_sysfs.why_not():
        pytest.skip(reason)
    return FakeSysfs(tmp_path)


def rules_file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(("vendor", "product", "usb_driver", "driver"), ADAPTERS)
def test_a_serial_adapter_is_ours_alone(
    sysfs: FakeSysfs, tmp_path: Path, vendor: str, product: str, usb_driver: str, driver: str
) -> None:
    """Rights, a link by the socket it is in, no ModemManager, no brltty, no autosuspend."""
    device = sysfs.usb_device(2, vendor=vendor, product=product)
    interface = sysfs.interface(device, driver=usb_driver, of_class="ff")
    port = sysfs.usb_serial(interface, driver=driver, number=3)

    outcome = sysfs.run(RULES, rules_file(tmp_path, "85-brltty.rules", BRLTTY))

    assert outcome.nodes["ttyUSB3"] == ("dialout", "660")
    assert outcome.links["ehc/serial-pci-0000_00_14_0-usb-0_2_1_0-port0"] == "ttyUSB3"
    assert outcome.properties[port]["ID_MM_PORT_IGNORE"] == "1"
    assert "BRLTTY_BRAILLE_DRIVER" not in outcome.properties[device]
    assert sysfs.is_awake(device)


def test_without_the_rules_brltty_takes_it(sysfs: FakeSysfs, tmp_path: Path) -> None:
    """The stand-in for brltty's rules does what the real ones do, so its absence above means something."""
    device = sysfs.usb_device(2, vendor="1a86", product="7523")

    outcome = sysfs.run(rules_file(tmp_path, "85-brltty.rules", BRLTTY))

    assert outcome.properties[device]["BRLTTY_BRAILLE_DRIVER"] == "bm"
    assert not sysfs.is_awake(device)


def test_brltty_does_not_hear_of_the_removal_either(sysfs: FakeSysfs, tmp_path: Path) -> None:
    """What was never started for an adapter is not stopped when it is pulled out."""
    device = sysfs.usb_device(2, vendor="1a86", product="7523")

    outcome = sysfs.run(RULES, rules_file(tmp_path, "85-brltty.rules", BRLTTY), action="remove")

    assert "BRLTTY_BRAILLE_DRIVER" not in outcome.properties[device]


def test_a_modem_stays_with_modem_manager(sysfs: FakeSysfs) -> None:
    """A 4G modem on ttyUSB, and one on ttyACM, keep what they had."""
    usb = sysfs.usb_device(1, vendor="2c7c", product="0125")
    option = sysfs.usb_serial(sysfs.interface(usb, driver="option", of_class="ff"), driver="option1", number=0)
    acm = sysfs.usb_device(2, vendor="1546", product="1102")
    modem = sysfs.node(
        sysfs.interface(acm, driver="cdc_acm", of_class="02"),
        at="tty/ttyACM0",
        subsystem="tty",
        name="ttyACM0",
        numbers="166 0",
    )

    outcome = sysfs.run(RULES)

    for path in (usb, option, acm, modem):
        assert not any(key.startswith("ID_MM_") for key in outcome.properties.get(path, {}))
        assert outcome.properties.get(path, {}).get("PRODUCT") != "0/0/0"
    assert not any("ttyUSB0" in target for name, target in outcome.links.items() if name.startswith("ehc/"))
    assert not sysfs.is_awake(usb)


@pytest.mark.parametrize("vendor", ["0c2e", "0536", "05e0", "05f9", "1eab", "065a"])
def test_a_scanner_that_is_a_serial_port_is_no_modem(sysfs: FakeSysfs, vendor: str) -> None:
    """Of a known maker, ModemManager leaves the port and the device alone."""
    device = sysfs.usb_device(4, vendor=vendor, product="0001")
    port = sysfs.node(
        sysfs.interface(device, driver="cdc_acm", of_class="02"),
        at="tty/ttyACM0",
        subsystem="tty",
        name="ttyACM0",
        numbers="166 0",
    )

    outcome = sysfs.run(RULES)

    assert outcome.nodes["ttyACM0"] == ("dialout", "660")
    assert outcome.links["ehc/serial-pci-0000_00_14_0-usb-0_4_1_0"] == "ttyACM0"
    assert outcome.properties[port]["ID_MM_PORT_IGNORE"] == "1"
    assert outcome.properties[port]["ID_MM_DEVICE_IGNORE"] == "1"
    assert outcome.properties[device]["ID_MM_DEVICE_IGNORE"] == "1"
    assert sysfs.is_awake(device)


def test_a_scanner_that_is_a_keyboard_can_be_read(sysfs: FakeSysfs) -> None:
    """Its events by group input, its raw reports by the node's own group, and a link."""
    device = sysfs.usb_device(3, vendor="1eab", product="0003")
    interface = sysfs.interface(device, driver="usbhid", of_class="03")
    sysfs.node(interface, at="input/input7/event7", subsystem="input", name="input/event7", numbers="13 71")
    sysfs.node(interface, at="hidraw/hidraw2", subsystem="hidraw", name="hidraw2", numbers="245 2")

    outcome = sysfs.run(RULES)

    assert outcome.nodes["input/event7"] == ("input", "660")
    assert outcome.nodes["hidraw2"] == ("ehc-edge", "660")
    assert outcome.links["ehc/keys-pci-0000_00_14_0-usb-0_3_1_0"] == "input/event7"
    assert sysfs.is_awake(device)


def test_a_keyboard_of_the_person_stays_private(sysfs: FakeSysfs) -> None:
    """A device of another maker gets no link, and its raw reports no group."""
    device = sysfs.usb_device(3, vendor="046d", product="c31c")
    interface = sysfs.interface(device, driver="usbhid", of_class="03")
    sysfs.node(interface, at="hidraw/hidraw2", subsystem="hidraw", name="hidraw2", numbers="245 2")

    outcome = sysfs.run(RULES)

    assert outcome.nodes["hidraw2"][0] != "ehc-edge"
    assert not any(name.startswith("ehc/") for name in outcome.links)


def test_a_camera_has_one_link(sysfs: FakeSysfs) -> None:
    """The node with pictures, not the one with their data; both readable for group video."""
    device = sysfs.usb_device(5, vendor="046d", product="0825")
    interface = sysfs.interface(device, driver="uvcvideo", of_class="0e")
    for index in range(2):
        sysfs.node(
            interface,
            at=f"video4linux/video{index}",
            subsystem="video4linux",
            name=f"video{index}",
            numbers=f"81 {index}",
            attributes={"index": str(index)},
        )

    outcome = sysfs.run(RULES)

    assert {outcome.nodes[f"video{index}"] for index in range(2)} == {("video", "660")}
    assert [target for name, target in outcome.links.items() if name.startswith("ehc/camera-")] == ["video0"]
    assert sysfs.is_awake(device)


def test_a_receipt_printer_has_a_link(sysfs: FakeSysfs) -> None:
    """The kernel's printer port, by the socket the printer is in."""
    device = sysfs.usb_device(6, vendor="0416", product="5011")
    interface = sysfs.interface(device, driver="usblp", of_class="07")
    sysfs.node(interface, at="usbmisc/lp0", subsystem="usbmisc", name="usb/lp0", numbers="180 0")

    outcome = sysfs.run(RULES)

    assert outcome.nodes["usb/lp0"] == ("lp", "660")
    assert outcome.links["ehc/printer-pci-0000_00_14_0-usb-0_6_1_0"] == "usb/lp0"


def test_a_chip_card_reader_stays_awake(sysfs: FakeSysfs, tmp_path: Path) -> None:
    """Also where the rules of libccid, which come later, put it to sleep."""
    device = sysfs.usb_device(1, vendor="076b", product="3031")
    sysfs.interface(device, driver="usbfs", of_class="0b", event="add")

    sysfs.run(RULES, rules_file(tmp_path, "92-libccid.rules", LIBCCID))

    assert sysfs.is_awake(device)


def test_lamps_of_the_node_are_its_own(sysfs: FakeSysfs) -> None:
    """LEDs with its name may be switched by its group; the others stay as they are."""
    ours, other = sysfs.led("ehc-green"), sysfs.led("power")

    outcome = sysfs.run(RULES)

    assert outcome.programs[ours] == [
        f"/bin/chgrp ehc-edge /sys/{ours}/brightness",
        f"/bin/chmod 0664 /sys/{ours}/brightness",
    ]
    assert other not in outcome.programs
    assert all(Path(program.split()[0]).exists() for program in outcome.programs[ours])


def test_udev_finds_nothing_wrong(sysfs: FakeSysfs) -> None:
    """Not one word about the file, nor about a group or an attribute it names."""
    device = sysfs.usb_device(3, vendor="1eab", product="0003")
    interface = sysfs.interface(device, driver="usbhid", of_class="03")
    sysfs.node(interface, at="hidraw/hidraw2", subsystem="hidraw", name="hidraw2", numbers="245 2")

    said = [line for line in sysfs.run(RULES).log.splitlines() if RULES.name in line]

    assert [line for line in said if re.search(r"invalid|unknown|fail|ignor|error|syntax", line, re.IGNORECASE)] == []
    assert any(f"{HUB}" in line or "hidraw2" in line for line in said)


def test_a_mistake_would_be_seen(sysfs: FakeSysfs, tmp_path: Path) -> None:
    """The check above can fail: udev names a key it does not know and a group that does not exist."""
    sysfs.usb_device(3, vendor="1eab", product="0003")
    wrong = rules_file(tmp_path, RULES.name, 'SUBSYSTEM=="usb", NONSENSE="1"\nKERNEL=="x", GROUP="nobody-here"\n')

    said = [line for line in sysfs.run(wrong).log.splitlines() if RULES.name in line]

    assert re.search(r"invalid|unknown|ignor", "\n".join(said), re.IGNORECASE)


@pytest.mark.skipif(not HWDB.exists(), reason="the list of USB ids is not here (apt-get install udev)")
def test_every_id_is_in_the_public_list() -> None:
    """No id was made up: vendors and products stand in usb.ids, as udev ships it."""
    text, known = RULES.read_text(encoding="utf-8"), set(re.findall(r"^usb:(\S+?)\*$", HWDB.read_text(), re.MULTILINE))
    products = [word for group in re.findall(r'ENV\{PRODUCT\}=="([^"]*)"', text) for word in group.split("|")]
    wanted = set()
    for word in products:
        vendor, product, _ = word.split("/")
        found = re.fullmatch(r"(.*)\[(\w+)\]", product)
        for last in found[2] if found else [""]:
            number = (found[1] if found else product) + last
            wanted.add(f"v{vendor.upper():0>4}p{number.upper():0>4}")
    wanted |= {f"v{each.upper()}" for each in re.findall(r'idVendor\}=="([^"]*)"', text)[0].split("|")}

    assert wanted - known == set()
    assert len(wanted) == 17


def test_the_unit_is_in_every_group_that_the_rules_give() -> None:
    """What the rules hand out, the service can open."""
    groups = set(re.findall(r'GROUP="([^"]+)"', RULES.read_text(encoding="utf-8")))
    lines = dict(line.split("=", 1) for line in UNIT.read_text(encoding="utf-8").splitlines() if "=" in line)

    assert groups - {lines["Group"], *lines["SupplementaryGroups"].split()} == set()


def test_the_manual_installs_the_rules() -> None:
    """Under the name and in the folder where udev finds them."""
    assert f"systemd/{RULES.name} /etc/udev/rules.d/{RULES.name}" in MANUAL.read_text(encoding="utf-8")


DAEMON = """
set -e
mount --bind "$4" /etc/group
mount -t tmpfs none /run
mkdir -p /run/udev/rules.d
cp "$1" /run/udev/rules.d/
"$2" --debug >"$3/udevd.log" 2>&1 &
daemon=$!
udevadm monitor --udev --property >"$3/heard" 2>&1 &
monitor=$!
trap 'kill $daemon $monitor' EXIT
for _ in $(seq 250); do
  if [ -S /run/udev/control ] && grep -q UDEV "$3/heard"; then break; fi
  sleep 0.02
done
udevadm trigger --action=change /sys/class/tty/tty
for _ in $(seq 250); do
  if grep -q '^DEVPATH=/devices/virtual/tty/tty$' "$3/heard"; then break; fi
  sleep 0.02
done
"""


@pytest.mark.skipif(not UDEVD.exists(), reason="systemd-udevd is not here (apt-get install udev)")
def test_the_real_daemon_takes_the_rules_and_leaves_other_devices_alone(sysfs: FakeSysfs, tmp_path: Path) -> None:
    """Systemd-udevd by hand, a real event of this machine's kernel: the file is read, a terminal is not touched."""
    subprocess.run(
        [*IN_ITS_OWN, "sh", "-c", DAEMON, "sh", str(RULES), str(UDEVD), str(tmp_path), str(sysfs.groups)],
        timeout=60,
        check=True,
        capture_output=True,
    )
    heard, log = (tmp_path / "heard").read_text(), (tmp_path / "udevd.log").read_text()
    if "DEVPATH=/devices/virtual/tty/tty\n" not in heard:
        pytest.skip("this machine's kernel sends no events here")

    assert f"Reading rules file: /run/udev/rules.d/{RULES.name}" in log
    assert not re.search(rf"{re.escape(RULES.name)}.*(invalid|unknown|error)", log, re.IGNORECASE)
    assert "ID_MM_" not in heard
    assert "/dev/ehc" not in heard


def test_everything_the_tests_need_is_named() -> None:
    """The tests' own packages are installed by `./dev test`."""
    (packages,) = re.findall(r"^APT_TEST=.*$", (RULES.parents[1] / "dev").read_text(), re.MULTILINE)

    assert " udev" in packages
    assert shutil.which("unshare")
    assert UDEVADM
