"""How a call by WebRTC is asked for: the service knows two ways, compatible servers one of three.

=========  ===============================================================  ====================
way        the request                                                      the session goes
=========  ===============================================================  ====================
form       a form with the offer and the session, with the standard key     with the call
bare       the offer alone, with the standard key                           by ``session.update``
ephemeral  the offer alone, with a client secret                            with the secret
=========  ===============================================================  ====================

With ``transport = "auto"``, elsewhere than at api.openai.com, a refusal that may mean "not this
way" leads to the next one; when none is left, to the WebSocket (``selection``). Sans-I/O.
"""

from __future__ import annotations

from typing import Literal, get_args

from mixer_core.runtime.errors import UpstreamError

from ..realtime.refusals import BAD_ANSWER
from ..realtime.upstream import Upstream

Way = Literal["form", "bare", "ephemeral"]
WAYS: tuple[Way, ...] = get_args(Way)

NOT_THIS_WAY = frozenset({200, 400, 401, 403, 404, 405, 406, 410, 411, 415, 422, 501})
"""Statuses that a server gives to a request of a form that it does not know; 200: no answer to
it."""
_EVERYWHERE = frozenset({"quota", "region", "rate"})
"""Kinds of refusals that meet every request."""


class Ways:
    """What is known of one server; ``order`` before a call, ``worked`` or ``is_other`` after."""

    def __init__(self, upstream: Upstream, transport: str, known: str = "") -> None:
        """``transport``: the setting. ``known``: the way that worked before, or empty."""
        plain: Way = "bare" if upstream.bare else "form"
        first: Way = "ephemeral" if upstream.ephemeral else plain
        self._may_vary = transport == "auto" and upstream.is_compatible
        self._first = first
        self._known = next((way for way in WAYS if way == known and self._may_vary), None)
        self._azure = upstream.azure
        self._refused: dict[Way, None] = {}
        """Ways that were refused since a call was accepted: an attempt may end in between."""

    @property
    def known(self) -> str:
        """The way that worked, where it is another one than the settings say; or empty."""
        return "" if self._known in (None, self._first) else str(self._known)

    def order(self) -> list[Way]:
        """The ways to try, in order."""
        if not self._may_vary:
            return [self._first]
        others = [self._first] if self._azure else [self._first, *WAYS]
        ways = list(dict.fromkeys([self._known or self._first, *others]))
        return sorted(ways, key=lambda way: way in self._refused)

    def refused(self, way: Way) -> None:
        """The server does not take calls this way: another attempt begins with the others."""
        self._refused[way] = None

    def worked(self, way: Way) -> None:
        """A call was accepted."""
        self._known = way
        self._refused.clear()

    def is_other(self, error: UpstreamError, after_refusal: bool = False) -> bool:
        """Whether ``error`` may mean "not this way", and so the next one is to be tried.

        ``after_refusal``: the server has just refused another way in earnest. Then even a server
        error is an answer to the form of the request.
        """
        if not self._may_vary or error.kind in _EVERYWHERE:
            return False
        is_form = error.status in NOT_THIS_WAY or error.code == BAD_ANSWER
        return is_form or (after_refusal and error.status >= 500)

    def all_refused(self, errors: list[UpstreamError]) -> UpstreamError:
        """The last refusal that says something, marked: the WebSocket may still be the way."""
        self._known = None
        self._refused.clear()
        specific = [error for error in errors if error.is_specific]
        chosen = (specific or errors)[-1]
        chosen.other_way = self._may_vary
        return chosen
