"""supervisord that acts on signals at once; ``python -m deploy.supervise`` takes its arguments.

supervisord looks at its signals when its poll returns, which takes up to a second, and restarts a
dead program one poll later. Here a signal ends the poll, so that neither Ctrl-C nor the restart of
a killed program has to wait. Each program gets its own secrets and nobody else's.

More than supervisord knows: a stop lets nobody new in and waits until all have left; a program that
no longer moves is killed (``watchdog``); one that ends with exit code 78 ends all of them, because
no restart would help it; one that ends at the same place five times is given up (``deaths``).

All of this listens to supervisord's events from within. An event listener of its own would be one
more Python process that has to run for the others to be looked after.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import stat
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from supervisor import events
from supervisor.medusa import asyncore_25 as asyncore
from supervisor.states import ProcessStates, SupervisorStates
from supervisor.supervisord import Supervisor

from mixer_core.runtime import given_up, logs
from mixer_core.runtime.errors import EXIT_CONFIG, EXIT_FAILURE
from mixer_core.runtime.lock_file import holder_of, moves, path_of
from mixer_core.runtime.process import DRAIN_SIGNAL
from mixer_core.runtime.sweep import sweep
from mixer_core.runtime.units import S_NS

from .deaths import MOST_PAUSE_S, Again, Deaths
from .log_lines import concealed
from .output import Lines, Output
from .plan import CONTROL_SOCKET, GROUP, Plan, plan_of
from .reloading import Reloading
from .secret_variables import Shares, take
from .supervisor_parts import NotingOptions, SignalWakeup
from .watchdog import Frozen, Sign, Watchdog

SPARE_S = 3
"""Longer than the time that calls may take, signaling is not waited for."""
RUNNING = SupervisorStates.RUNNING


class WakingSupervisor(Supervisor):  # type: ignore[misc]
    """supervisord whose poll ends at a signal; it decides itself who is started again."""

    def __init__(self, options: NotingOptions, plan: Plan, output: Output, shares: Shares) -> None:
        super().__init__(options)
        self.runtime_dir = plan.runtime_dir
        self._is_on_terminal = os.isatty(1)
        """Asked at once: a terminal that is closed says that it is none."""
        self._plan = plan
        self._watchdog = Watchdog(plan.watchdog_s or sys.maxsize)
        self._output = output
        self.reloading = Reloading(self, shares)
        """Reads settings again, when asked."""
        self.expected: set[str] = set()
        """Programs that were told to end and to follow themselves."""
        self._lines = Lines()
        self._deaths = Deaths()
        self._drained_ns: int | None = None
        """No new calls; at this time everything ends."""
        self.last_words = ""
        """Why everything ended; empty: somebody wanted it."""
        self.exit_code = 0

    @property
    def is_stopping(self) -> bool:
        """Calls may end, and nothing is started any more for their sake."""
        return self._drained_ns is not None or self.options.mood < RUNNING

    def runforever(self) -> None:
        """The main loop, with the wake-up in its table."""
        wakeup = SignalWakeup()
        table: dict[int, Any] = asyncore.socket_map
        table[wakeup.fileno()] = wakeup
        events.subscribe(events.ProcessLogStdoutEvent, self._note_lines)
        events.subscribe(events.ProcessStateStartingEvent, self._note_start)
        super().runforever()

    def handle_signal(self) -> None:
        """SIGTERM and Ctrl-C stop, the second time at once; SIGHUP reads the settings again, but
        stops where a terminal is closed; SIGUSR2 opens the log anew."""
        number = self.options.get_signal()
        is_hung_up = number == signal.SIGHUP and self._is_on_terminal
        if number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT) or is_hung_up:
            self.stop()
        elif number == signal.SIGHUP:
            self.reloading.begin()
        elif number == signal.SIGUSR2:
            self._output.reopen()

    def stop(self) -> None:
        """Let nobody in, and end when all have left; the second time at once.

        Signaling tells everybody, and ends when the last one has left or the time is over.
        """
        pid, drain_s = self.program("signaling").pid, self._plan.drain_s
        if self._drained_ns is not None or not drain_s or not pid:
            self.options.mood = SupervisorStates.SHUTDOWN
            return
        self._drained_ns = time.monotonic_ns() + int((drain_s + SPARE_S) * S_NS)
        with contextlib.suppress(ProcessLookupError):  # Then its end is seen in this turn.
            os.kill(pid, DRAIN_SIGNAL)

    def tick(self, now: float | None = None) -> None:
        """After each turn: who has ended, who does not move, what was taken away."""
        super().tick(now)
        now_ns = time.monotonic_ns()
        self._see_ends(now_ns)
        if self._drained_ns is not None and now_ns >= self._drained_ns:
            self.options.mood = SupervisorStates.SHUTDOWN
        if self._watchdog.is_due(now_ns) and self.options.mood == SupervisorStates.RUNNING:
            self._look(now_ns)

    def close_output(self) -> None:
        """Nothing is written any more."""
        self._output.close()

    def say(self, words: str) -> None:
        """A line of our own in the log."""
        self._output.write(logs.redact(f"mixminus: {words}\n").encode(errors="replace"))

    def _note_lines(self, event: Any) -> None:
        self._output.write(concealed(self._lines.feed(event.process.config.name, event.data)))

    def _note_start(self, event: Any) -> None:
        self._deaths.started(event.process.config.name, time.monotonic_ns())

    def _see_ends(self, now_ns: int) -> None:
        ends, self.options.ends = self.options.ends, []
        for process, exit_code in ends:
            program = process.config.name
            self._output.write(concealed(self._lines.end(program)))
            was_told = program in self.expected
            self.expected.discard(program)
            if process.state == ProcessStates.STOPPED or self.options.mood < RUNNING:
                continue
            if program == "signaling" and self._drained_ns is not None:
                self.options.mood = SupervisorStates.SHUTDOWN
            elif was_told and exit_code != EXIT_CONFIG:
                pause(process, 0)
            elif exit_code == EXIT_CONFIG:
                line = self._last_line(program) or "it did not say why"
                self._end_all(line if line.startswith(program) else f"{program}: {line}", exit_code)
            else:
                self._go_on(process, exit_code, now_ns)

    def _go_on(self, process: Any, exit_code: int, now_ns: int) -> None:
        """A program has ended that nobody wanted to end."""
        program = process.config.name
        verdict = self._deaths.ended(program, exit_code, self._last_line(program), now_ns)
        if isinstance(verdict, Again):
            pause(process, verdict.pause_s)
            return
        give_up(process)
        self.say(f"{program} is not started again: {verdict.words}")
        if program == "signaling":  # Without it, nobody comes in and nobody is told.
            self._end_all(f"signaling: {verdict.words}", EXIT_FAILURE)

    def _last_line(self, program: str) -> str:
        """What it has written last, without secrets: people are told."""
        return logs.redact(self._lines.last(program))

    def _end_all(self, words: str, exit_code: int) -> None:
        self.last_words, self.exit_code = words, exit_code
        self.options.mood = SupervisorStates.SHUTDOWN

    def program(self, name: str) -> Any:
        """supervisord's process of that name."""
        return self.process_groups[GROUP].processes[name]

    def forgive(self, name: str, is_wanted: bool) -> None:
        """If it was given up, start it again, or forget that where nobody wants it any more."""
        process = self.program(name)
        if process.state != ProcessStates.FATAL:
            return
        self._deaths.forgive(name)
        if is_wanted:
            process.spawn()
        else:
            process.change_state(ProcessStates.STOPPED)

    def adopt(self, variables: Mapping[str, str]) -> None:
        """Take over changed settings of our own; a log that cannot be opened stays as it is."""
        os.environ.update(variables)
        old, self._plan = self._plan, plan_of(os.environ)
        if old.watchdog_s != self._plan.watchdog_s:
            self._watchdog = Watchdog(self._plan.watchdog_s or sys.maxsize)
        try:
            output = self._plan.output()
        except OSError as error:
            self.say(f"{self._plan.log_file} cannot be written ({error.strerror})")
            return
        self._output.close()
        self._output = output

    def _look(self, now_ns: int) -> None:
        processes = self.process_groups[GROUP].processes.values()
        running = {process.config.name: process.pid for process in processes if process.pid}
        signs = {program: sign_of(path_of(self.runtime_dir, program)) for program in running}
        self.reloading.look()
        for frozen in self._watchdog.look(running, signs, now_ns):
            self._end_frozen(frozen)
        for process in processes:
            process.backoff = min(process.backoff, MOST_PAUSE_S)
        if not self.runtime_dir.is_dir():
            return
        with contextlib.suppress(OSError):  # A full disk: once a second is often enough.
            given_up.tell(self.runtime_dir, self._deaths.failed)
        if not (self.runtime_dir / CONTROL_SOCKET).exists():
            self.options.close_httpservers()
            with contextlib.suppress(SystemExit):  # supervisord's way to say that it cannot.
                self.options.openhttpservers(self)

    def _end_frozen(self, frozen: Frozen) -> None:
        """Kill it, which works for a stopped process, too; it is started anew."""
        self.say(
            f"{frozen.program} (process {frozen.pid}) has not moved for {frozen.looks} s: "
            "it is ended and started anew"
        )
        with contextlib.suppress(ProcessLookupError):
            os.kill(frozen.pid, signal.SIGKILL)


def pause(process: Any, pause_s: int) -> None:
    """Have supervisord start a process that has ended, after a while."""
    if process.state == ProcessStates.EXITED:
        process.change_state(ProcessStates.BACKOFF)
    process.backoff = max(pause_s, 1)
    process.delay = time.time() + pause_s


def give_up(process: Any) -> None:
    """Have supervisord start it no longer, unless somebody says so."""
    process.change_state(ProcessStates.FATAL)
    process.delay = process.backoff = 0
    process.system_stop = True


def sign_of(path: Path) -> Sign:
    """What a program's lock file says."""
    try:
        return Sign(holder_of(path), path.stat().st_mtime_ns, moves(path))
    except OSError:
        return Sign(0, 0)


def hand_out(shares: Shares, groups: list[Any]) -> None:
    """Add each program's secrets to what supervisord sets in its environment."""
    for group in groups:
        for program in group.process_configs:
            own = shares.get(program.name, {})
            program.environment = {**(program.environment or {}), **own}


def append_to(descriptor: int) -> None:
    """Write at the end where ``descriptor`` is a file: supervisord opens it again for the programs.

    A shell's ``> file`` gives an offset of its own, and what is written there would go over theirs.
    """
    with contextlib.suppress(OSError):  # A closed one.
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
            fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_APPEND)


def main(arguments: list[str]) -> int:
    """Run until stopped; returns the exit code."""
    for descriptor in (1, 2):
        append_to(descriptor)
    shares = take()
    options = NotingOptions()
    options.realize(arguments, doc=__doc__)
    hand_out(shares, options.process_group_configs)
    options.first = True
    options.test = False
    plan = plan_of(os.environ)
    try:
        output = plan.output()
    except OSError as error:
        print(f"mixminus: {plan.log_file} cannot be written ({error.strerror})", file=sys.stderr)
        return EXIT_CONFIG
    for share in shares.values():
        logs.conceal(share.values())
    supervisor = WakingSupervisor(options, plan, output, shares)
    try:
        supervisor.main()
    except asyncore.ExitNow:
        pass
    finally:
        options.close_httpservers()
        options.close_logger()
        sweep(plan.runtime_dir)
        supervisor.close_output()
    if supervisor.last_words:
        print(supervisor.last_words, file=sys.stderr, flush=True)
    return supervisor.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
