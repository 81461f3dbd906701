"""Names in NATS: buckets, streams, subjects. Sans-I/O.

A room's name is its token wherever it can be: rooms are readable in the tools of NATS. Any other
text is written as ``=`` and base32, which no room's name begins with, so no two have one token.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from dataclasses import dataclass

from mixer_core.runtime.errors import RecordError
from mixer_core.runtime.room_rules import ROOM_NAME

_ESCAPE = "="
MAX_ROOM_CHARS = 256


def room_token(room: str) -> str:
    """``room`` as one token of a subject, and as a key of a bucket. Raises RecordError."""
    if ROOM_NAME.fullmatch(room):
        return room
    if not 0 < len(room) <= MAX_ROOM_CHARS:
        raise RecordError(f"a room's name has 1 to {MAX_ROOM_CHARS} characters, not {len(room)}")
    try:
        packed = base64.b32encode(room.encode()).decode()
    except UnicodeEncodeError as error:
        raise RecordError("a room's name is no text: it has half a character") from error
    return _ESCAPE + packed.rstrip("=").lower()


def room_of(token: str) -> str:
    """The room with this token. Raises RecordError: it is no room's."""
    if ROOM_NAME.fullmatch(token):
        return token
    packed = token[1:].upper()
    try:
        room = base64.b32decode(packed + "=" * (-len(packed) % 8)).decode()
        if token.startswith(_ESCAPE) and room_token(room) == token:
            return room
    except (binascii.Error, ValueError):
        pass
    raise RecordError(f"{token[:80]!r} is no room's token")


def partition_of(room: str, partitions: int) -> int:
    """Which of the journal's streams a room's is in: 0 to ``partitions`` - 1, the same anywhere."""
    return zlib.crc32(room.encode("utf-8", "surrogatepass")) % partitions


@dataclass(frozen=True, slots=True)
class Names:
    """All names of one cluster; ``cluster`` is ``[cluster] name``: a-z, 0-9 and '-'."""

    cluster: str = "mixminus"

    @property
    def nodes(self) -> str:
        """Bucket: node → NodeRecord."""
        return f"{self.cluster}_nodes"

    @property
    def rooms(self) -> str:
        """Bucket: a room's token → RoomRecord."""
        return f"{self.cluster}_rooms"

    @property
    def keys(self) -> str:
        """Bucket: secrets that all nodes share."""
        return f"{self.cluster}_keys"

    @property
    def money(self) -> str:
        """Bucket: ``<day>.<node>`` → what a node has spent."""
        return f"{self.cluster}_money"

    @property
    def access(self) -> str:
        """Bucket: invitations, and what was taken back."""
        return f"{self.cluster}_access"

    def of_node(self, node: str, what: str) -> str:
        """Subject at which one node is asked, such as its ``http``."""
        return f"{self.cluster}.node.{node}.{what}"

    def of_all(self, what: str) -> str:
        """Subject that all nodes hear."""
        return f"{self.cluster}.all.{what}"

    def journal_stream(self, partition: int) -> str:
        """Stream of the journals of some rooms."""
        return f"{self.cluster.upper()}_JOURNAL_{partition}"

    def journal_subjects(self, partition: int) -> str:
        """All subjects of such a stream."""
        return f"{self.cluster}.journal.{partition}.>"

    def journal(self, room: str, partitions: int) -> str:
        """Subject of what the owners of a room write."""
        return f"{self._journal(room, partitions)}.log"

    def gone(self, room: str, partitions: int) -> str:
        """Subject of what is deleted of it."""
        return f"{self._journal(room, partitions)}.gone"

    def journal_of(self, room: str, partitions: int) -> str:
        """Both subjects of a room."""
        return f"{self._journal(room, partitions)}.*"

    def all_gone(self, partition: int) -> str:
        """The subjects of what is deleted of any room."""
        return f"{self.cluster}.journal.{partition}.*.gone"

    def _journal(self, room: str, partitions: int) -> str:
        return f"{self.cluster}.journal.{partition_of(room, partitions)}.{room_token(room)}"
