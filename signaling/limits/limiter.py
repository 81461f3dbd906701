"""What one client may do in a minute: offers that come to nothing, wrong tokens. Sans-I/O.

A client is an address, see ``clients``. A refusal is ProblemError 429 with the seconds to wait. It
comes before the request is looked at, so it costs little, and so a token that is tried too often is
not even compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mixer_core.runtime.errors import ProblemError
from mixer_core.runtime.units import S_NS

from .buckets import Buckets

MINUTE_NS = 60 * S_NS
MAX_NEWS = 512
"""Clients of which other nodes are told at once; what further ones do counts on this node only."""
MAX_HEARD = 1_000
"""Attempts of one client that are taken from another node at once."""

Kind = Literal["offers", "tokens"]


@dataclass(frozen=True, slots=True)
class News:
    """What a client has done on one node, for the others."""

    kind: Kind
    """Offers that have not led to a connection, or wrong tokens."""
    client: str
    count: int
    """Negative: offers of which others were told have led to connections."""


class Limiter:
    """The limits of one gateway; a limit of 0 is none."""

    def __init__(self, offers_per_minute: int, wrong_tokens_per_minute: int) -> None:
        self._offers = _buckets(offers_per_minute)
        self._tokens = _buckets(wrong_tokens_per_minute)
        self._news: dict[tuple[Kind, str], int] | None = None

    def share(self) -> None:
        """Collect from now on what other nodes of a cluster have to know."""
        self._news = {}

    def take_news(self) -> list[News]:
        """What has happened since the last call; at most ``MAX_NEWS``."""
        if not self._news:
            return []
        news = [News(kind, client, count) for (kind, client), count in self._news.items()]
        self._news = {}
        return news

    def heard(self, news: News, now_ns: int) -> None:
        """The same has happened on another node; a limit holds for all of them together."""
        buckets = self._offers if news.kind == "offers" else self._tokens
        if buckets is None or not news.client:
            return
        for _ in range(min(news.count, MAX_HEARD)):
            if not buckets.take(news.client, now_ns):
                break
        for _ in range(min(-news.count, MAX_HEARD)):
            buckets.give_back(news.client)

    def _note(self, kind: Kind, client: str, count: int) -> None:
        if self._news is None or not client:
            return
        key = kind, client
        if key in self._news or len(self._news) < MAX_NEWS:
            self._news[key] = self._news.get(key, 0) + count
            if not self._news[key]:
                del self._news[key]

    def offer(self, client: str, now_ns: int) -> None:
        """An offer came.

        Raises:
            Refusal: too many offers that did not lead to a connection.
        """
        if self._offers is None:
            return
        if self._offers.take(client, now_ns):
            self._note("offers", client, 1)
            return
        wait_s = self._offers.wait_s(client, now_ns)
        raise Refusal(
            "Too many attempts",
            f"too many attempts to join from {client or 'your address'} did not get through: "
            f"wait {wait_s} s",
            wait_s,
            f"{client}: too many offers that did not connect" * self._offers.report(client),
        )

    def connected(self, client: str) -> None:
        """An offer of that client led to a connection: it does not count."""
        if self._offers is not None:
            self._offers.give_back(client)
            self._note("offers", client, -1)

    def token(self, client: str, now_ns: int) -> None:
        """A request with a token came; call before the token is compared.

        Raises:
            Refusal: too many wrong ones came before.
        """
        wait_s = self._tokens.wait_s(client, now_ns) if self._tokens else 0
        if self._tokens is None or not wait_s:
            return
        raise Refusal(
            "Too many wrong tokens",
            f"too many wrong tokens came from {client or 'your address'}: wait {wait_s} s",
            wait_s,
            f"{client}: too many wrong tokens" * self._tokens.report(client),
        )

    def wrong_token(self, client: str, now_ns: int) -> None:
        """A token was wrong."""
        if self._tokens is not None and self._tokens.take(client, now_ns):
            self._note("tokens", client, 1)


class Refusal(ProblemError):
    """429, and what the log says of it."""

    def __init__(self, title: str, detail: str, retry_after_s: int, log_line: str) -> None:
        """``log_line``: empty except for the first refusal of a burst."""
        super().__init__(429, title, detail, retry_after_s)
        self.log_line = log_line


def _buckets(per_minute: int) -> Buckets | None:
    return Buckets(per_minute, MINUTE_NS // per_minute) if per_minute else None
