"""Joins what keeps the journal of a clustered room; imported by gateways of a cluster only."""

from __future__ import annotations

import logging
import secrets
import socket

from .cluster_room import ClusterRoom
from .journal_keeper import JournalKeeper
from .stream_keeper import StreamKeeper
from .stream_owner import Owner
from .stream_thread import StreamThread


def stream_keeper(
    keeper: JournalKeeper,
    cluster: ClusterRoom,
    room: str,
    log: logging.LoggerAdapter[logging.Logger],
) -> StreamKeeper:
    """What keeps the journal of ``room``; it begins to connect."""
    stream = StreamThread(cluster.settings, room, cluster.keep_days)
    stream.start()
    node = cluster.settings.node_name(socket.gethostname())
    owner = Owner(room, node, writer=secrets.token_hex(8), epoch=cluster.epoch)
    return StreamKeeper(keeper, stream, owner, log)
