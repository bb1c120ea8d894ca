"""A new root (contracts 3.1): signed with the former one's threshold and its own, with new keys where asked for.

The root's file is the moment: before it is there every former key signs, from then on those that it names. A rotation
that was interrupted leaves at most keys that no root names, which the next one takes.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from city.authority.documents import root_payload
from city.authority.keys import DOCUMENT_ROLES, CityKeys
from city.errors import AuthorityError
from city.home import Home
from edge import dsse
from edge.durable_file import replace_file
from edge.gm import PrivateKey, PublicKey
from edge.trust import Root, next_root


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """The root that was made: its version, and the roles that got new keys."""

    version: int
    replaced: tuple[str, ...]


def rotate_root(home: Home, *, replace: Collection[str], root_keys: Path | None, now_ms: int) -> Rotated:
    """Publish the next root; the documents are signed anew by the next `publish`.

    Args:
        home: The city.
        replace: Of `REPLACEABLE_ROLES`; all keys of these are replaced.
        root_keys: Folder of the root keys, and of new ones; None for the city's own.
        now_ms: When, Unix milliseconds.

    Raises:
        AuthorityError: There are not enough root keys, or a file cannot be written.
        ConfigError: There is no city here.
    """
    with home.authority():  # two at once would make two roots of one number
        current = home.root()
        if current is None:
            raise AuthorityError("there is no root: run `ehc-city init` first")
        version = current.version + 1
        signing = _signing(home.keys, current=current, folder=root_keys)
        new_roots = home.keys.successor_roots(root_keys, version=version) if "root" in replace else ()
        document = dsse.sign(
            _payload(home.keys, current=current, replace=replace, roots=new_roots, now_ms=now_ms),
            role="root",
            keys=[*signing, *new_roots],
        )
        next_root(current, document)  # what a node would not take is not published
        try:
            replace_file(home.published / f"root.{version}.json", document)
        except OSError as exc:
            raise AuthorityError(f"root.{version}.json: cannot be written") from exc
    return Rotated(version=version, replaced=tuple(sorted(replace)))


def _signing(keys: CityKeys, *, current: Root, folder: Path | None) -> list[PrivateKey]:
    found = list(keys.roots(folder))
    needed = current.roles["root"].threshold
    if len(found) < needed:
        raise AuthorityError(
            f"root-*.key: 根密钥不足 {len(found)} of the {needed} root keys that are needed are here; "
            "give the folder they were taken to with --root-keys"
        )
    return found


def _payload(
    keys: CityKeys, *, current: Root, replace: Collection[str], roots: Collection[PrivateKey], now_ms: int
) -> bytes:
    """The next root: keys of the former one, and new ones for the roles to replace."""

    def key_of(role: str, *, former: Collection[bytes]) -> PublicKey:
        if role in replace:
            return keys.successor(role, version=current.version + 1).public
        return next(current.keys[keyid] for keyid in former)

    root_ids = sorted(current.roles["root"].keyids)
    return root_payload(
        version=current.version + 1,
        issued_at_ms=now_ms,
        city=current.city,
        roots=[key.public for key in roots] or [current.keys[keyid] for keyid in root_ids],
        roles={role: key_of(role, former=current.roles[role].keyids) for role in DOCUMENT_ROLES},
        receipt=key_of("receipt", former=current.receipt_keyids),
        encryption=(
            keys.successor("encryption", version=current.version + 1).public
            if "encryption" in replace
            else current.city_encryption_key
        ),
    )
