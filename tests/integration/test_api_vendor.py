"""The interface as a vendor's program uses it: an ordinary HTTP client with the token of the token file."""

import pytest

from edge.api.access import Access
from edge.api.gate import Door
from edge.api.photo import Photos
from edge.api.routes import application
from edge.verdict import Carrier, Evidence, Reason, Subject, Verdict
from tests.support.node_view import FakeNode

TOKEN = "f" * 64
HOST = "127.0.0.1:8480"


class OpenPage:
    """A page that is there, without links."""

    is_open = True

    def new_link(self):
        return None


@pytest.fixture
async def vendor(aiohttp_client):
    """A client that names the box as a program on it would, and carries the token."""
    node = FakeNode()
    node.verdicts["EHC1:X"] = Verdict(
        reason=Reason.REVOKED, subject=Subject(kind=Carrier.EHC1, card_ref=b"\x01" * 8), evidence=Evidence(status=31)
    )
    door = Door(url=f"http://{HOST}", port=8480, hosts_allowed=frozenset({"127.0.0.1"}), cookie="ehc_session_8480")
    access = Access(token=TOKEN, monotonic_s=lambda: 0.0, random_bytes=bytes)
    app = application(door=door, view=node, access=access, page=OpenPage(), photos=Photos(view=node, access=access))
    return await aiohttp_client(app, headers={"Host": HOST, "Authorization": f"Bearer {TOKEN}"})


async def test_a_vendor_verifies_a_code(vendor):
    """One POST of JSON, one verdict back, bytes as lower-case hex."""
    answer = await vendor.post("/api/v1/verify", json={"text": "EHC1:X"})

    assert answer.status == 200
    verdict = await answer.json()
    assert (verdict["outcome"], verdict["reason"]) == ("REFUSE", "REVOKED")
    assert verdict["subject"]["card_ref"] == "01" * 8
    assert verdict["evidence"]["status"] == 31


async def test_a_vendor_sees_the_status_and_the_description(vendor):
    """What the page shows is there for programs, and so is its description."""
    status = await (await vendor.get("/api/v1/status")).json()
    description = await (await vendor.get("/api/v1/openapi.json")).json()

    assert status["queue"]["waiting"] >= 0
    assert description["openapi"].startswith("3.1")


async def test_without_the_token_there_is_nothing(vendor):
    """A wrong token reads nothing."""
    answer = await vendor.get("/api/v1/status", headers={"Authorization": "Bearer 0"})

    assert answer.status == 401
    assert await answer.json() == {"error": "no_access"}
