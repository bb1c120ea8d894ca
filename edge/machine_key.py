"""The key of what only this box may read: the day view and the replay keys (contracts 5.2).

The secret's file lies outside the data folder, so a copied data folder yields neither. Two keys are derived from it:
one seals notes, one makes the names of notes that would otherwise show a person.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from edge.errors import DecryptError
from edge.gm import hmac_sm3, sm4_gcm_open, sm4_gcm_seal

NAME_BYTES = 16

_NONCE_BYTES = 12
_KEY_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineKey:
    """The two keys.

    Attributes:
        sealing: 16 bytes, SM4.
        naming: 32 bytes, HMAC-SM3.
        random_bytes: getrandom, for nonces.
    """

    sealing: bytes = field(repr=False)
    naming: bytes = field(repr=False)
    random_bytes: Callable[[int], bytes] = field(repr=False)

    def seal(self, plain: bytes, *, name: bytes) -> bytes:
        """Return the body of a note; it opens only under the same name."""
        nonce = self.random_bytes(_NONCE_BYTES)
        return nonce + sm4_gcm_seal(self.sealing, nonce=nonce, plaintext=plain, associated=name)

    def open(self, body: bytes, *, name: bytes) -> bytes:
        """Return what was sealed.

        Raises:
            DecryptError: Another box's or another note's, or changed.
        """
        if len(body) < _NONCE_BYTES:
            raise DecryptError("not a sealed note")
        return sm4_gcm_open(self.sealing, nonce=body[:_NONCE_BYTES], sealed=body[_NONCE_BYTES:], associated=name)

    def name(self, secret: bytes) -> bytes:
        """Return 16 bytes that stand for `secret` and do not show it."""
        return hmac_sm3(self.naming, secret)[:NAME_BYTES]


def derive(secret: bytes, *, random_bytes: Callable[[int], bytes]) -> MachineKey:
    """Return the keys of a machine's secret."""
    return MachineKey(
        sealing=hmac_sm3(secret, b"ehc-note-seal")[:_KEY_BYTES],
        naming=hmac_sm3(secret, b"ehc-note-name"),
        random_bytes=random_bytes,
    )
