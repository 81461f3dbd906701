"""A supervisor whose programs are not processes: nothing is forked, and signals are noted."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from supervisor.process import Subprocess
from supervisor.states import ProcessStates, SupervisorStates

from deploy.plan import GROUP, Plan
from deploy.supervise import WakingSupervisor


class Program(Subprocess):  # type: ignore[misc]
    """supervisord's process, which only says that it runs."""

    def __init__(self, name: str, options: Any) -> None:
        config = {"name": name, "options": options, "environment": {}, "stopsignal": 15}
        super().__init__(
            SimpleNamespace(**config, stopwaitsecs=10, stopasgroup=False, killasgroup=False)
        )
        self.starts = 0

    def spawn(self) -> None:
        """Run at once."""
        self._assertInState(
            ProcessStates.EXITED, ProcessStates.FATAL, ProcessStates.BACKOFF, ProcessStates.STOPPED
        )
        self.starts += 1
        self.state, self.pid = ProcessStates.RUNNING, 4_711

    def becomes(self, state: int) -> None:
        """Be in a state, as supervisord has them."""
        runs = (ProcessStates.STARTING, ProcessStates.RUNNING, ProcessStates.STOPPING)
        self.state, self.pid = state, 4_711 if state in runs else 0


class Supervised:
    """The supervisor and its programs, all of which run."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.signals: list[tuple[int, int]] = []
        options: Any = SimpleNamespace(
            ends=[],
            mood=SupervisorStates.RUNNING,
            logger=SimpleNamespace(
                **dict.fromkeys(("debug", "info", "warn", "critical"), logging.getLogger().debug)
            ),
            kill=lambda pid, number: self.signals.append((pid, number)),
        )
        plan = Plan(folder, 0, 0.0, str(folder / "log"), 1_000_000, 1)
        self.supervisor = WakingSupervisor(options, plan, plan.output(), {})
        self.programs = {name: Program(name, options) for name in names}
        self.supervisor.process_groups = {GROUP: SimpleNamespace(processes=self.programs)}
        for program in self.programs.values():
            program.becomes(ProcessStates.RUNNING)

    def ends(self, name: str, exit_code: int, state: int = ProcessStates.EXITED) -> None:
        """A program ends, and supervisord has that state for it."""
        self.programs[name].becomes(state)
        self.supervisor.options.ends.append((self.programs[name], exit_code))
        self.supervisor._see_ends(0)
