"""The command line `ehc-city` as such: lines and JSON, errors and exit codes, help."""

import json
from pathlib import Path

import pytest

from city import document_commands
from city.__main__ import main
from tests.support.city_cli import HIDDEN, NODE, City


@pytest.fixture
def city(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> City:
    return City.founded(tmp_path / "city", capsys)


def test_people_read_lines_and_programs_json(city: City, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --json every command prints lines; the first line of `card issue` is the code alone."""
    home = ["--home", str(city.folder)]
    assert main(["card", "issue", *home]) == 0
    assert capsys.readouterr().out.splitlines()[0].startswith("EHC1:")
    for words in (
        ["card", "list"],
        ["issuer", "list"],
        ["node", "list"],
        ["publish"],
        ["node", "add", "extra"],
        ["check", NODE],
    ):
        assert main([*words, *home]) == 0
        assert capsys.readouterr().out.strip()


def test_a_folder_without_a_city_is_a_configuration_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command but init exits 78 where no city is, and says what to run."""
    for words in (["card", "list"], ["publish"], ["records"], ["check", NODE], ["serve"], ["restored"]):
        assert main([*words, "--home", str(tmp_path / "none")]) == 78
        assert "ehc-city init" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"city": "37"}, "city"),
        ({"broker_port": "8883"}, "broker_port"),
        ({"org": ""}, "org"),
        ({"broker_host": " "}, "broker_host"),
        ({"roster_tags": 1}, "roster_tags"),
        ({"node_bytes_per_hour": 1000}, "node_bytes_per_hour"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_setting_is_named(city: City, change: dict[str, object], named: str) -> None:
    """A setting of city.json that is wrong or unknown exits 78 with its name."""
    file = city.folder / "city.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))

    code, error = city.fails("card", "list")

    assert code == 78
    assert named in error


def test_damaged_files_are_configuration_errors(city: City) -> None:
    """A settings file that is no JSON object and a node's file without keys exit 78."""
    (city.folder / "nodes" / f"{NODE}.json").write_text("{}")
    assert city.fails("publish")[0] == 78
    for text in ("[]", "{"):
        (city.folder / "city.json").write_text(text)
        assert city.fails("publish")[0] == 78


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (("card", "show", "nonsense"), 1, {"error": "refused"}),
        (("roster", "import", "{table}", "--node", NODE), 1, {"error": "roster", "line": 2, "column": "sex"}),
        (("publish", "--home", "{none}"), 78, {"error": "config", "where": "{none}"}),
    ],
)
def test_a_program_gets_errors_as_json(
    city: City,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    code: int,
    expected: dict[str, object],
) -> None:
    """With --json stdout is one object whatever happens, and stderr says the same in words."""
    places = {"table": str(tmp_path / "people.csv"), "none": str(tmp_path / "none")}
    Path(places["table"]).write_text("name,sex,birth\n张小雨,3,2017-12-25\n", encoding="utf-8")
    filled = [word.format(**places) for word in words]

    assert main([*filled, "--json", *([] if "--home" in words else ["--home", str(city.folder)])]) == code

    output = capsys.readouterr()
    found = json.loads(output.out)
    wanted = {name: value.format(**places) if isinstance(value, str) else value for name, value in expected.items()}
    assert found["ok"] is False
    assert wanted.items() <= found.items()
    assert output.err.startswith("ehc-city: ")
    assert not [word for word in HIDDEN if word in output.out + output.err]


def test_ctrl_c_is_no_traceback(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupted command ends with 128 + SIGINT."""

    def interrupt(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(document_commands, "publish", interrupt)

    assert main(["publish", "--home", str(city.folder)]) == 130


def test_usage_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """A command line that makes no sense exits 2 in both languages."""
    with pytest.raises(SystemExit) as exit_:
        main(["card", "steal"])

    assert exit_.value.code == 2
    assert "用法错误 usage" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [[], ["init"], ["card", "issue"], ["roster", "import"], ["root", "rotate"], ["order"]]
)
def test_help_teaches(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Every command explains itself."""
    with pytest.raises(SystemExit) as exit_:
        main([*words, "--help"])

    assert exit_.value.code == 0
    assert "usage: ehc-city" in capsys.readouterr().out
