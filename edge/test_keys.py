"""Keys whose private halves everybody knows: the daemon refuses them unless told otherwise (contracts 3.1).

They are the public keyids of the published interoperability vectors. A node that trusted one could be told anything.
"""

from typing import Final

TEST_KEYIDS: Final[frozenset[bytes]] = frozenset(
    bytes.fromhex(keyid)
    for keyid in (
        "ab7a7d203f129bc2",  # root 0
        "934be488f5ae6707",  # root 1
        "ab0e0617c9bbf34c",  # root 2
        "e501af9e9caf0d72",  # issuers role
        "f290bf6d6853f99c",  # status role
        "c3a9233ad6d46c91",  # time role
        "21ffb11c30f14931",  # roster role
        "eeb9d4a22e3fb6ee",  # config role
        "35a876a05ac9d9bc",  # enrol role
        "ae677e20c1e26933",  # receipt
        "75d5fc2a2f3c1319",  # city encryption
        "409059c417595c11",  # issuer
        "29e340abdb31a652",  # issuer retired
        "4b8a0b356b646422",  # issuer withdrawn
        "eb7d80f5512f89c5",  # issuer narrow
        "fd7fbde4e486c5fe",  # holder
        "6d01706fd56e7ef8",  # node
        "f2f0bc6b0de49881",  # node encryption
    )
)
