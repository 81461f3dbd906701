"""``bench peers``: the gateway beside other software, on the work that both do.

Peers are optional. Each is fetched by one command (``peers.install``) into a directory of its own,
runs as processes of its own, and is ended when the benchmark ends.
"""

from __future__ import annotations

from ..peers import conference, echo
from ..peers.install import PYTHON_PEERS, how_to_get, is_installed
from ..report.findings import Findings, Options


def run(options: Options, findings: Findings) -> None:
    """Compare with every peer that is installed; say how to get the others."""
    for peer in ("janus", *PYTHON_PEERS):
        if not is_installed(peer):
            findings.notes.append(how_to_get(peer))
    if is_installed("janus"):
        conference.run(options, findings)
    echo_peers = [peer for peer in PYTHON_PEERS if is_installed(peer)]
    if echo_peers:
        echo.run(echo_peers, options, findings)
