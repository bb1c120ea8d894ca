"""One city's folder and its command line, for tests of the commands."""

import json
from pathlib import Path
from typing import Any

import pytest

from city.__main__ import main
from city.home import Home
from edge.gm import PrivateKey, private_key
from edge.trust_folder import Loaded, load_directory

NODE = "370881-0042"
ROSTER = Path(__file__).parents[2] / "config" / "roster.example.csv"
ID_NO = "11010020171225006X"
HIDDEN = ("张小雨", "11010020171225006X", "2017-12-25")


class City:
    """Runs commands on one folder and reads their JSON."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def __call__(self, *words: str) -> Any:
        code = main([*words, "--home", str(self.folder), "--json"])
        output = self._capsys.readouterr()
        assert code == 0, output.err
        return json.loads(output.out)

    def fails(self, *words: str) -> tuple[int, str]:
        code = main([*words, "--home", str(self.folder)])
        output = self._capsys.readouterr()
        assert output.out == ""
        return code, output.err

    def node_key(self, name: str) -> PrivateKey:
        return private_key(bytes.fromhex((self.folder / "nodes" / NODE / name).read_text().strip()))

    def trust(self, folder: Path | None = None) -> Loaded:
        decrypt = self.node_key("node-encryption.key").decrypt
        return load_directory(folder or self.folder / "published", decrypt_roster=decrypt, node=NODE)

    @classmethod
    def founded(cls, folder: Path, capsys: pytest.CaptureFixture[str]) -> "City":
        """A new city with one node."""
        city = cls(folder, capsys)
        city("init", "--node", NODE)
        return city

    @property
    def home(self) -> Home:
        return Home(self.folder)
