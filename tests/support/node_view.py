"""A node as the interface sees it, with the data of an ordinary morning: every person in it is invented and masked."""

import copy

from edge.classify import Classified
from edge.verdict import OUTCOME_OF, Carrier, Evidence, Reason, Subject, Verdict
from edge.verify import Examination

NOW_MS = 1_795_399_265_000  # 2026-11-23 10:01:05 in China

STATUS = {
    "node": "370881-0042",
    "version": "0.1.0",
    "now_ms": NOW_MS,
    "readers": [{"name": "scanner-1", "state": "ready", "since_ms": NOW_MS - 7_200_000}],
    "feedback": [],
    "sams": [],
    "uplink": {"state": "connected"},
    "queue": {"waiting": 0, "quarantined": 0},
    "trust": {
        "empty": False,
        "test_keys": False,
        "rung": "FRESH",
        "age_s": 7_380,
        "root": 1,
        "issuers": 7,
        "status": 4211,
        "roster": 12,
        "problems": [],
    },
    "clock": {"anchored": True, "lo_ms": NOW_MS - 150, "hi_ms": NOW_MS + 150},
    "store": {"writable": True},
    "crypto": {"backend": "libcrypto"},
}

HELD = {
    "root": {
        "version": 1,
        "issued_at_ms": NOW_MS - 30 * 86_400_000,
        "expires_at_ms": NOW_MS + 700 * 86_400_000,
        "city": "370800",
        "born_sm3": "5f" * 32,
    },
    "issuers": {
        "version": 7,
        "issued_at_ms": NOW_MS - 9 * 86_400_000,
        "expires_at_ms": NOW_MS + 90 * 86_400_000,
        "keys": [
            {
                "kid": "a1b2c3d4",
                "org": "济宁市卫生健康委员会",
                "state": "active",
                "regions": ["3708"],
                "kinds": ["holder", "static"],
                "status_list": "cards-a",
            }
        ],
    },
    "status": {
        "version": 4211,
        "issued_at_ms": NOW_MS - 7_380_000,
        "expires_at_ms": NOW_MS + 14 * 86_400_000,
        "lists": [
            {"name": "cards-a", "version": 31, "cards": 4096, "revoked": 12, "suspended": 3, "good": True},
        ],
        "hashed": [{"name": "codes-a", "version": 2, "revoked": 40, "good": False}],
    },
    "roster": {"version": 12, "lease_end_ms": NOW_MS + 20 * 86_400_000, "people": 3_120},
    "floors": {"issuers": 7, "root": 1, "roster": 12, "status": 4211},
    "former": [],
    "withdrawn": 1,
    "current_ms": NOW_MS - 7_380_000,
    "age_s": 7_380,
    "rung": "FRESH",
    "problems": [{"file": "codes-a", "rule": "missing"}],
}

_MORNING = (
    (0, Carrier.EHC1, Reason.VALID, "saved", "张*"),
    (41, Carrier.WECHAT_PAY, Reason.NOT_A_HEALTH_CARD, "saved", None),
    (98, Carrier.NATIONAL_STATIC, Reason.PENDING_CITY, "saved", None),
    (163, Carrier.EHC1, Reason.SUSPENDED, "sent", "李**"),
    (240, Carrier.ID_NUMBER, Reason.ROSTER_MATCH_CODE_UNVERIFIED, "sent", "王**"),
    (322, Carrier.NATIONAL_STATIC, Reason.ROSTER_MATCH, "sent", "赵*"),
    (377, Carrier.EHC1, Reason.PRESENTATION_STALE, "sent", "陈**"),
    (402, Carrier.EHC1, Reason.BAD_SIGNATURE, "returned", None),
    (530, Carrier.EHC1, Reason.VALID_STALE, "sent", "孙**"),
    (611, Carrier.UNKNOWN, Reason.MALFORMED, "sent", None),
    (702, Carrier.LEGACY_CARD, Reason.NOT_A_HEALTH_CARD, "sent", None),
    (780, Carrier.EHC1, Reason.EXPIRED, "sent", "周*"),
)


def row(*, ago_s=0, carrier=Carrier.EHC1, reason=Reason.VALID, delivery="saved", name=None, seq=1, notes=None):
    """One of the last verdicts, `ago_s` before the fake node's now."""
    answer = {
        "id": f"{seq or 0:032x}",
        "at_ms": NOW_MS - 1000 * ago_s,
        "reader": "scanner-1",
        "carrier": carrier.value,
        "outcome": OUTCOME_OF[reason].value,
        "reason": reason.value,
        "delivery": delivery,
        "seq": seq,
    }
    known = {"name": name, "notes": notes}
    return answer | {member: value for member, value in known.items() if value is not None}


def morning():
    """The rows of an ordinary morning, newest first: all four results, all delivery states but unsaved."""
    return [
        row(ago_s=ago_s, carrier=carrier, reason=reason, delivery=delivery, name=name, seq=80 - number)
        for number, (ago_s, carrier, reason, delivery, name) in enumerate(_MORNING)
    ]


SAM_EXPIRING = {
    "number": "37080000000000001234",
    "state": "expiring",
    "type": "2",
    "valid_until": "2026-12-05",
    "days_left": 12,
    "reader": "card-1",
}
READERS_LOST = [{"name": "scanner-1", "state": "lost"}]
STORE_DAMAGED = {"writable": True, "damaged": True, "set_aside": 3}


class FakeNode:
    """A `NodeView` whose state the test holds.

    Attributes:
        state: What `status` answers.
        rows: What `recent` answers, newest first.
        verdicts: What `examine` says of a text; of any other, MALFORMED.
        examined: The texts that were examined.
        imported: The folders that were imported.
        held: What `trust` answers.
    """

    def __init__(self):
        self.state = copy.deepcopy(STATUS)
        self.rows = morning()
        self.verdicts = {}
        self.examined = []
        self.imported = []
        self.held = copy.deepcopy(HELD)

    def status(self):
        return self.state

    def recent(self, limit):
        return self.rows[:limit]

    def examine(self, text):
        self.examined.append(text)
        unknown = Verdict(reason=Reason.MALFORMED, subject=Subject(kind=Carrier.UNKNOWN), evidence=Evidence())
        verdict = self.verdicts.get(text, unknown)
        return Examination(verdict=verdict, classified=Classified(carrier=verdict.subject.kind, text=text))

    def trust(self):
        return self.held

    async def import_trust(self, folder):
        self.imported.append(folder)
        return {"found": 1, "taken": {"status": 4212}, "problems": [{"file": "issuers.json", "rule": "threshold"}]}
