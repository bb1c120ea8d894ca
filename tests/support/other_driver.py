"""The driver that docs/drivers.md shows, as another's package: taken out of that page and installed in a folder."""

import importlib
import re
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/drivers.md"
MODULES = ("ehc_tilde", "tilde_bench")


def file_of(name: str) -> str:
    """Return the text of a file that the page shows under this name."""
    page = PAGE.read_text(encoding="utf-8")
    (text,) = re.findall(rf"^```\w+\n# {re.escape(name)}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return str(text)


def put_into(folder: Path) -> None:
    """Write the package as an installer would: the modules, and beside them what is known of the package."""
    for module in MODULES:
        (folder / f"{module}.py").write_text(file_of(f"{module}.py"), encoding="utf-8")
    project = tomllib.loads(file_of("pyproject.toml"))["project"]
    known = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    known.mkdir()
    (known / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {place}\n" for name, place in points.items())
        for group, points in project["entry-points"].items()
    ]
    (known / "entry_points.txt").write_text("\n".join(lines))


@contextmanager
def installed(folder: Path) -> Iterator[None]:
    """Have the packages in a folder installed, and forget them afterwards."""
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    before = set(sys.modules)
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        importlib.invalidate_caches()
        for name in set(sys.modules) - before:
            if getattr(sys.modules[name], "__file__", None) and str(folder) in str(sys.modules[name].__file__):
                del sys.modules[name]
