"""Trust documents over the local interface: shown and imported through the Unix socket, and through nothing else."""

import json

import pytest

from edge.api import static
from edge.trust import Problem
from edge.trust_held import Held
from edge.trust_import import Imported
from edge.trust_report import import_report, trust_report
from edge.verdict import Interval
from tests.support.api_box import serving
from tests.support.authority import BEGIN_MS
from tests.support.schema import problems
from tests.support.trust_box import NEW, OLD
from tests.support.trust_node import current

TRUST, IMPORT = "/api/v1/trust", "/api/v1/trust/import"
DOCUMENT = json.loads(static.openapi().body)


@pytest.fixture
async def box(tmp_path):
    async with serving(tmp_path) as served:
        yield served


def folder_body(folder="/media/stick"):
    return json.dumps({"dir": folder}).encode()


async def test_the_socket_shows_what_is_held(box):
    """All of it, as the node says it."""
    answer = await box.ask_on_socket(TRUST)

    assert (answer.status, answer.json) == (200, box.node.held)


async def test_the_socket_imports_a_folder(box):
    """The node gets the path, and whoever asked what came of it."""
    answer = await box.ask_on_socket(IMPORT, method="POST", body=folder_body())

    assert (answer.status, answer.json["taken"]) == (200, {"status": 4212})
    assert [str(folder) for folder in box.node.imported] == ["/media/stick"]


async def test_neither_is_served_to_a_browser_or_a_program_on_the_network(box):
    """Not with a session and not with the token: only who may open the socket may read a folder of this box."""
    await box.log_in()

    for ask in (box.ask_with_token, box.ask_in_session):
        assert (await ask(TRUST)).status == 404
        same_origin = [("Origin", box.origin), ("Content-Type", "application/json")]
        assert (await ask(IMPORT, method="POST", headers=same_origin, body=folder_body())).status == 404
    assert box.node.imported == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"rubbish",
        b"[]",
        b"{}",
        b'{"dir": 1}',
        b'{"dir": ""}',
        b'{"dir": "media/stick"}',
        b'{"dir": "/media", "more": 1}',
        b'{"dir": "/media/\\u0000"}',
        b'{"dir": "/media/\\ud800"}',
        b'{"dir": "/' + b"x" * 40_000 + b'"}',
    ],
)
async def test_a_body_that_names_no_folder_is_refused(box, body):
    """Nothing is read; a relative path would be the daemon's and not the caller's."""
    answer = await box.ask_on_socket(IMPORT, method="POST", body=body)

    assert answer.status in (400, 413)
    assert box.node.imported == []


async def test_a_folder_is_imported_by_post_alone(box):
    """A link that somebody opens changes nothing."""
    assert (await box.ask_on_socket(IMPORT)).status == 405
    assert (await box.ask_on_socket(TRUST, method="POST", body=folder_body())).status == 405


@pytest.mark.parametrize("held", [Held(), OLD, NEW, current(NEW)], ids=["nothing", "old", "new", "current"])
def test_what_a_real_node_says_is_as_described(held):
    """Every member of the answer stands in the description, and none that must be there is missing."""
    report = trust_report(
        held, now=Interval(lo_ms=BEGIN_MS, hi_ms=None), problems=(Problem(file="status", rule="threshold"),)
    )

    assert report["floors"] == {role: floor.version for role, floor in held.floors.items()}
    assert problems({**report, "floors": {}}, _answer(TRUST, "get"), document=DOCUMENT) == []


def test_what_an_import_says_is_as_described():
    """The same for what a folder gave."""
    imported = Imported(taken={"root": 2, "issuers": 1}, problems=(Problem(file="folder", rule="missing"),), found=3)

    report = import_report(imported)

    assert report["taken"] == {"root": 2, "issuers": 1}
    assert problems({**report, "taken": {}}, _answer(IMPORT, "post"), document=DOCUMENT) == []


def _answer(path, method):
    return DOCUMENT["paths"][path][method]["responses"]["200"]["content"]["application/json"]["schema"]
