"""The way into a call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from .call import Call
from .connection import prepare_ice
from .rejoin import RejoinPolicy
from .requests import Requests, Seat, base_and_token


@asynccontextmanager
async def join(
    url: str,
    room: str = "home",
    name: str = "",
    *,
    token: str | None = None,
    mode: Literal["assistant", "conference"] | None = None,
    place: str = "",
    keep_trying_s: float = 0.0,
    authority: str | Path | None = None,
    ways: Sequence[str] = (),
) -> AsyncIterator[Call]:
    """Join a room; ``async with`` leaves it.

    Args:
        url: the gateway's address, or the link of an invitation.
        room: lower-case letters, digits, ``-`` and ``_``.
        name: what people see; an invitation with a name wins.
        token: of an invitation, or the value of MIXMINUS_TOKEN. On the gateway's own machine
            nothing is needed.
        mode: for the first in a room.
        place: where the device is, if others of the room are in the same physical room.
        keep_trying_s: how long to try again when the gateway is full or does not answer, and when
            the connection is lost; 0: not at all.
        authority: PEM file of the gateway's authority, where the system does not know it.
        ways: addresses of further nodes of the same cluster, where no balancer stands in front: a
            node that does not answer is followed by the next one.

    Raises:
        Refused, Unreachable: the reason in words.
        ValueError: ``url``, or one of ``ways``, is no address.
        OSError: ``authority`` cannot be read.
    """
    base, given = base_and_token(url)
    others = [base_and_token(way)[0] for way in ways]
    for address in (base, *others):
        prepare_ice(address)
    async with Requests(base, authority, others) as requests:
        if token or given:
            await requests.enter(token or given)
        seat = Seat(room, name, mode or "", place=place)
        call = Call(requests, seat, RejoinPolicy(keep_trying_s))
        try:
            await call.start()
            yield call
        finally:
            await call.leave()
