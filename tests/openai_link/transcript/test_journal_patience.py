"""Whoever waits for a journal that fails: let pass at once, or never before the end."""

from __future__ import annotations

import threading
from typing import Any, cast

import pytest

from mixer_core.journal.records import RemovedRecord
from mixer_core.runtime import logs
from mixer_core.runtime.errors import JournalError
from mixer_core.runtime.units import MS_NS
from openai_link.transcript.journal_queue import Entry
from openai_link.transcript.journal_thread import JournalThread, Listeners
from tests.support.waiting import PATIENCE_S, wait_until

pytestmark = pytest.mark.processes


class Failing:
    """A keeper that never writes anything."""

    retry_most_ns = MS_NS

    def __init__(self, lets_pass: bool) -> None:
        self.lets_pass = lets_pass
        self.tries = 0

    def write(self, *_: object) -> None:
        self.tries += 1
        raise JournalError("it does not answer")

    def care(self) -> None: ...

    close = end = forget_conversation = care


@pytest.mark.parametrize("lets_pass", [True, False])
def test_in_a_cluster_nobody_is_let_pass_before_the_end(lets_pass: bool) -> None:
    keeper, told = Failing(lets_pass), threading.Event()

    def nothing(*_: object) -> None: ...

    listeners = Listeners(lambda function, *given: function(*given), nothing, nothing, nothing)
    thread = JournalThread(
        lambda tell: cast(Any, keeper), listeners, logs.get("openai_link"), is_held=False
    )
    thread.start()
    thread.put(Entry((RemovedRecord("a"),), told.set))
    wait_until(lambda: keeper.tries >= 3)
    assert told.is_set() == lets_pass
    thread.finish()
    thread.join(PATIENCE_S)
    assert told.is_set(), "at the end nobody waits any more"
