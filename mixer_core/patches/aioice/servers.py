"""Asks STUN and TURN servers on behalf of an ICE connection: in order, until one answers.

aioice itself asks one of each, and waits five seconds for a silent one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar

import aioice.ice
from aioice import Candidate

from mixer_core.runtime.ice_servers import Endpoint, TurnServer

NEXT_S = 0.4
"""A server that has not answered after this time gets company by the next one."""
OTHERS_S = 0.3
"""After one socket has heard from a STUN server, the others get this long."""
MARGIN_S = 0.05
"""Time to hand over what has come before the limit."""
LOOPBACK = "127."

_ice: Any = aioice.ice
_T = TypeVar("_T")


async def ask_stun(
    servers: Sequence[Endpoint], bound: Iterable[Any], limit_s: float
) -> list[Candidate]:
    """The outer addresses of the IPv4 sockets, as far as the first server to answer tells."""
    sockets = [protocol for protocol in bound if ":" not in protocol.local_candidate.host]

    until_s = asyncio.get_running_loop().time() + limit_s

    def question(server: Endpoint) -> Callable[[], Awaitable[list[Candidate]]]:
        return lambda: _ask_one_stun(server, sockets, until_s)

    return await first_answer([question(server) for server in servers], limit_s) or []


async def ask_turn(
    servers: Sequence[TurnServer], connection: Any, component: int, limit_s: float
) -> tuple[Candidate, Any] | None:
    """An address at the first TURN server to give one, and its socket."""

    def question(server: TurnServer) -> Callable[[], Awaitable[tuple[Candidate, Any]]]:
        return lambda: _ice.relayed_candidate(
            component=component,
            hide_related_address=False,
            protocol_factory=lambda: aioice.ice.StunProtocol(connection),
            turn_server=server.endpoint,
            turn_username=server.username,
            turn_password=server.credential,
            turn_ssl=server.is_secure,
            turn_transport=server.transport,
        )

    questions = [question(server) for server in servers]
    return await first_answer(questions, limit_s, lambda found: found[1].transport.close())


async def first_answer(
    questions: Sequence[Callable[[], Awaitable[_T]]],
    limit_s: float,
    discard: Callable[[_T], object] = lambda answer: None,
) -> _T | None:
    """The first result of ``questions``; None if none comes within ``limit_s``.

    The next question is asked as soon as one fails, and in any case after a while. ``discard`` gets
    a result that comes too late.
    """
    loop = asyncio.get_running_loop()
    until_s = loop.time() + limit_s
    next_s = min(NEXT_S, limit_s / max(1, len(questions)))
    waiting = list(questions)
    pending: set[asyncio.Future[_T]] = set()
    found: list[_T] = []
    try:
        while not found and (waiting or pending) and loop.time() < until_s:
            if waiting:
                pending.add(asyncio.ensure_future(waiting.pop(0)()))
            left_s = until_s - loop.time()
            done, pending = await asyncio.wait(
                pending,
                timeout=min(next_s, left_s) if waiting else left_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            found += [task.result() for task in done if task.exception() is None]
    finally:
        for task in pending:
            task.cancel()
        late = await asyncio.gather(*pending, return_exceptions=True)
    for answer in [*found[1:], *(one for one in late if not isinstance(one, BaseException))]:
        discard(answer)
    return found[0] if found else None


async def _ask_one_stun(
    server: Endpoint, sockets: Iterable[Any], until_s: float
) -> list[Candidate]:
    """What a server tells the sockets, by ``until_s``. Raises ConnectionError: nothing."""
    is_local = server[0].startswith(LOOPBACK)
    asked = [p for p in sockets if p.local_candidate.host.startswith(LOOPBACK) == is_local]
    loop = asyncio.get_running_loop()
    tasks = {loop.create_task(_ice.server_reflexive_candidate(p, server)) for p in asked}
    found: list[Candidate] = []
    pending: set[asyncio.Task[Any]] = set(tasks)
    try:
        while pending and not found:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            found += _results(done)
        others_s = min(OTHERS_S, until_s - loop.time() - MARGIN_S)
        if pending and others_s > 0:
            done, _ = await asyncio.wait(pending, timeout=others_s)
            found += _results(done)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if not found:
        raise ConnectionError(f"{server[0]} tells no outer address")
    return found


def _results(done: Iterable[asyncio.Task[Any]]) -> list[Candidate]:
    return [task.result()[0] for task in done if task.exception() is None]
