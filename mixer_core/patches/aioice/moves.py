"""A peer whose address changes on the way: a NAT gave it another port, or its network changed.

The browser does not notice a NAT that forgets, and asks for another pair only at its next check,
seconds later. But its encrypted datagrams come from the new address at once. A check is then sent
there; when the browser has answered it with the password of the offer, it is where it says (RFC
8445, section 7.3.1.4), and the pair is used as if the browser had nominated it. A check of its own
from there proves nothing of what it wants: it keeps other ways open, too.
"""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

from aioice.ice import CandidatePair

from mixer_core.runtime.units import S_NS

from .datagrams import Datagrams

CHECK_EVERY_NS = S_NS // 4
"""One check at a time: what comes meanwhile comes from the same place."""
RESTART_NS = 2 * S_NS
"""A check without an answer begins anew: by now aioice repeats it every two seconds and less."""
BEGAN = "mixminus_began_ns"
"""Ours, on a pair: when its check was first found to be under way."""
MAX_LEARNED = 16
"""Addresses that are remembered because a check came from there."""


def follow_peer(connection: Any, arrivals: Datagrams) -> None:
    """Follow the peer of an aioice.Connection to other addresses, and forget where it was."""
    asked_ns = -CHECK_EVERY_NS
    check_incoming = connection.check_incoming

    def moved(protocol: Any, address: tuple[str, int]) -> None:
        nonlocal asked_ns
        now_ns = time.monotonic_ns()
        if now_ns - asked_ns < CHECK_EVERY_NS or not connection._early_checks_done:
            return
        if connection._closing:
            return
        asked_ns = now_ns
        _doubt(connection, address, protocol)
        _restart(connection, address, protocol, now_ns)
        attributes = {"PRIORITY": _priority(connection), "USE-CANDIDATE": None}
        remember(SimpleNamespace(attributes=attributes), address, protocol)

    def remember(message: Any, address: tuple[str, int], protocol: Any) -> None:
        _revive(connection, address, protocol)
        check_incoming(message, address, protocol)
        _forget(connection)

    arrivals.moved = moved
    connection.check_incoming = remember


def _doubt(connection: Any, address: tuple[str, int], protocol: Any) -> None:
    """A pair that was checked long ago is checked anew: a datagram may be late, or replayed."""
    for pair in _pairs(connection, address, protocol):
        if pair.task is None and pair.state is CandidatePair.State.SUCCEEDED:
            connection.check_state(pair, CandidatePair.State.FROZEN)


def _revive(connection: Any, address: Any, protocol: Any) -> None:
    """A pair whose check was cancelled, as others were complete, can be checked again.

    aioice leaves it in progress for ever, and neither checks nor uses it.
    """
    for pair in _pairs(connection, address, protocol):
        is_over = pair.task is not None and pair.task.done()
        if is_over and pair.state is CandidatePair.State.IN_PROGRESS:
            pair.task = None
            connection.check_state(pair, CandidatePair.State.FROZEN)


def _restart(connection: Any, address: tuple[str, int], protocol: Any, now_ns: int) -> None:
    """A check under way whose answers are lost is repeated too rarely for somebody who speaks."""
    for pair in _pairs(connection, address, protocol):
        if pair.task is None or pair.task.done():
            vars(pair).pop(BEGAN, None)
        elif now_ns - vars(pair).setdefault(BEGAN, now_ns) >= RESTART_NS:
            pair.task.cancel()
            pair.task = None
            del vars(pair)[BEGAN]
            connection.check_state(pair, CandidatePair.State.FROZEN)


def _pairs(connection: Any, address: Any, protocol: Any) -> list[Any]:
    endpoint = (address[0], address[1])
    pairs = connection._check_list
    return [pair for pair in pairs if pair.protocol is protocol and pair.remote_addr == endpoint]


def _priority(connection: Any) -> int:
    pair = next(iter(connection._nominated.values()), None)
    return 0 if pair is None else int(pair.remote_candidate.priority)


def _forget(connection: Any) -> None:
    """Forget the oldest address that was learned and is not in use, where there are too many."""
    learned = [known for known in connection._remote_candidates if known.type == "prflx"]
    if len(learned) <= MAX_LEARNED:
        return
    used = {id(pair.remote_candidate) for pair in connection._nominated.values()}
    oldest = next(known for known in learned if id(known) not in used)
    connection._remote_candidates.remove(oldest)
    for pair in [pair for pair in connection._check_list if pair.remote_candidate is oldest]:
        if pair.task is not None:
            pair.task.cancel()
        connection._check_list.remove(pair)
