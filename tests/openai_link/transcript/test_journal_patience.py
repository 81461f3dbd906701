"""Whoever waits for a journal that fails: let pass at once, or only once patience has ended."""

from __future__ import annotations

import threading
from typing import Any, cast

import pytest

from mixer_core.journal.records import RemovedRecord
from mixer_core.runtime import logs
from mixer_core.runtime.errors import JournalError
from mixer_core.runtime.units import MS_NS, S_NS
from openai_link.transcript.journal_queue import Entry
from openai_link.transcript.journal_thread import JournalThread, Listeners
from tests.support.waiting import PATIENCE_S, wait_until

pytestmark = pytest.mark.processes


class Failing:
    """A keeper that never writes anything."""

    retry_most_ns = MS_NS

    def __init__(self, patience_ns: int) -> None:
        self.patience_ns = patience_ns
        self.tries = 0

    def write(self, *_: object) -> None:
        self.tries += 1
        raise JournalError("it does not answer")

    def care(self) -> None: ...

    close = end = forget_conversation = care


@pytest.mark.parametrize("patience_ns", [0, 3_600 * S_NS])
def test_nobody_is_told_that_something_is_safe_before_patience_has_ended(patience_ns: int) -> None:
    keeper, told = Failing(patience_ns), threading.Event()

    def nothing(*_: object) -> None: ...

    listeners = Listeners(lambda function, *given: function(*given), nothing, nothing, nothing)
    thread = JournalThread(
        lambda tell: cast(Any, keeper), listeners, logs.get("openai_link"), is_held=False
    )
    thread.start()
    thread.put(Entry((RemovedRecord("a"),), told.set))
    wait_until(lambda: keeper.tries >= 3)
    assert told.is_set() == (not patience_ns)
    thread.finish()
    thread.join(PATIENCE_S)
    assert told.is_set(), "at the end nobody waits any more"
