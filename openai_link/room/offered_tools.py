"""Which of the tools that there are a room offers to its sessions. Sans-I/O.

The service takes 128 tools, and refuses a session for a single one that it does not like. What does
not fit and what was refused is left out, and told once; a refused tool is offered again when its
definition has changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mixer_core.runtime.foreign_text import one_line

from ..tools.blame import Blame

MAX_TOOLS = 128
"""Tools of a session, those of the settings included."""
MAX_CHARS = 120_000
"""All definitions as JSON text: a data channel takes messages of 256 KiB."""
MAX_NAMED = 200
"""Tools that are named in one message."""
MAX_WORDS_CHARS = 300

Definition = Mapping[str, Any]


class OfferedTools:
    """Of one room."""

    def __init__(self, others: Sequence[Definition] = ()) -> None:
        """``others``: tools that the settings add to every session."""
        self._room = max(0, MAX_TOOLS - len(others))
        self._taken = {str(other.get("name")) for other in others}
        self._known: Sequence[Definition] = ()
        self._refused: dict[str, Definition] = {}
        """As they were when they were refused."""
        self._told: set[str] = set()
        self.definitions: Sequence[Definition] = ()
        """For the session object, in order of preference."""

    def replace(self, definitions: Sequence[Definition]) -> list[str]:
        """The tools are these from now on; what is to be told."""
        self._known = definitions
        return self._select()

    def refused(self, blame: Blame) -> tuple[list[str], list[str]]:
        """A server does not take some of the tools that it was told of; for the log, for people.

        Where it names none, those go that are new to it, or the second half; people hear of it
        once, however often that has to be done.
        """
        names = blame.names or blame.fresh or blame.offered[len(blame.offered) // 2 :]
        sent = {str(definition["name"]): definition for definition in blame.sent}
        news = [name for name in names if self._refused.get(name) != sent[name]]
        self._refused |= {name: sent[name] for name in names}
        told = self._select()
        if not news:
            return told, told
        words = one_line(blame.words, MAX_WORDS_CHARS) or "no reason was given"
        what = "refuses a tool" if blame.names else "refuses tools and does not say which"
        line = f"The server {what}: {words} Left out: {_listed(news)}."
        if blame.names or blame.fresh:
            return [line, *told], [line, *told]
        general = f"The server {what}. Some are left out; the log names them."
        return [line, *told], [*([general] if self._is_new(general) else []), *told]

    def _select(self) -> list[str]:
        chosen: list[Definition] = []
        over: list[str] = []
        taken: list[str] = []
        chars = 0
        for known in self._known:
            name = str(known["name"])
            if self._refused.get(name) == known:
                continue
            size = len(json.dumps(known))
            if name in self._taken:
                taken.append(name)
            elif len(chosen) < self._room and chars + size <= MAX_CHARS:
                chosen.append(known)
                chars += size
            else:
                over.append(name)
        self.definitions = chosen
        words = []
        if over:
            words.append(
                f"There are more tools than the service takes ({self._room}, {MAX_CHARS} "
                f"characters); not offered: {_listed(over)}. Choose with allow and deny of the "
                "MCP servers."
            )
        if taken:
            words.append(f"session_json has tools of these names; not offered: {_listed(taken)}.")
        return [sentence for sentence in words if self._is_new(sentence)]

    def _is_new(self, words: str) -> bool:
        is_new = words not in self._told
        self._told.add(words)
        return is_new


def _listed(names: Iterable[str]) -> str:
    known = list(names)
    more = f" and {len(known) - MAX_NAMED} more" if len(known) > MAX_NAMED else ""
    return f"{', '.join(known[:MAX_NAMED])}{more}"
