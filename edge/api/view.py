"""What the API may see of the node: the daemon hands in one object of this shape, and nothing else of itself.

The members of both answers are fixed in `openapi.json` (``Status`` and ``Recent``); what is unknown is left out.
Times are Unix milliseconds, bytes are lower-case hex, names are masked by whoever fills these in.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from edge.verify import Examination


class NodeView(Protocol):
    """A running node, as seen from its local interface. All but `import_trust` answer at once and change nothing."""

    def status(self) -> Mapping[str, Any]:
        """How the node is.

        Returns:
            ``node``, ``version``, ``now_ms`` (the shown clock), and one object for each thing the status bar shows:
            ``readers`` list of {``name``, ``state``: ready | opening | lost, ``cause``?: a `LostCause`,
            ``trouble``?: what the reader's family knows beyond it, ``since_ms``,
            ``dropped``?: frames, ``unrecorded``?: readings that came too often to be recorded};
            ``feedback`` list of {``name``, ``state``: ok | failing | paper_out, ``cause``?: a `FeedbackCause`,
            ``dropped``?: tickets};
            ``sams`` list of {``number``?, ``state``: a `SamState`, ``type``?, ``terminal_no``?, ``valid_from``?,
            ``valid_until``?, ``days_left``?, ``reader``?, ``place``?, ``purpose``?, ``responsible``?,
            ``unread``?: list of {``file``, ``cause``}};
            ``uplink`` {``state``: connected | connecting | offline | refused | off, ``next_try_ms``?};
            ``queue`` {``waiting``, ``quarantined``, ``oldest_ms``?};
            ``trust`` {``empty``, ``test_keys``, ``rung``?, ``age_s``?, ``root``?, ``issuers``?, ``status``?,
            ``roster``?: versions, ``problems``?: list of {``file``, ``rule``}};
            ``clock`` {``anchored``, ``lo_ms``, ``hi_ms``?, ``alarm``?: a `ClockAlarm`};
            ``store`` {``writable``, ``cause``?, ``damaged``?: the database was damaged and restored as far as possible,
            ``set_aside``?: records of it that could not be read};
            ``crypto`` {``backend``: libcrypto | gmssl}. The interface itself adds ``api``.
        """
        ...

    def recent(self, limit: int) -> Sequence[Mapping[str, Any]]:
        """The last verdicts, newest first.

        Args:
            limit: At most so many, 1 or more.

        Returns:
            Objects of ``id`` (of the record, hex), ``at_ms``, ``reader``, ``carrier``, ``outcome``, ``reason``,
            ``delivery``: saved | sent | returned | unsaved, ``seq`` (None when unsaved or not known since a restart)
            ``name`` (masked; left out when unknown) and ``notes``? (a list of `CardNote`).
        """
        ...

    def examine(self, text: str) -> "Examination":
        """Verify a text as a reader would have brought it; nothing is recorded and no replay key is inserted."""
        ...

    def trust(self) -> Mapping[str, Any]:
        """All that is held of the trust documents; members as ``Trust`` of `openapi.json` lists them."""
        ...

    async def import_trust(self, folder: Path) -> Mapping[str, Any]:
        """Take the documents of a folder on this box: {``found``, ``taken``: versions by role, ``problems``}."""
        ...
