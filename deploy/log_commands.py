"""``mixminus logs`` and ``mixminus log-level``."""

from __future__ import annotations

import argparse
import os
import stat
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from mixer_core.runtime import log_level
from mixer_core.runtime.errors import EXIT_FAILURE, StartupError
from mixer_core.runtime.log_level import LEVELS, Setting
from mixer_core.runtime.settings import load_all

from .invite import lifetime_s
from .log_lines import Wanted, pick
from .settings import AllSettings

POLL_S = 0.3
NOW = ""
"""Among the lines of a file that is followed: all that there is has been read."""
NO_FILE = (
    "mixminus: the log is in no file. Start the gateway with MIXMINUS_RUNTIME__LOG_FILE=FILE (and "
    "this command, too), or pass its log on: journalctl -u mixminus -o cat | mixminus logs home"
)


def logs(arguments: Sequence[str]) -> int:
    """Entry point of ``mixminus logs``; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="mixminus logs", description="Lines of the log about a room, a person, or all."
    )
    parser.add_argument("about", nargs="*", metavar="ROOM", help="room, or id of a participant")
    parser.add_argument(
        "--file", type=Path, help="default: [runtime] log_file, or what is piped in"
    )
    parser.add_argument("--level", choices=LEVELS, default="debug", help="lowest severity")
    parser.add_argument("--program", default="", help="one program only, such as media_worker")
    parser.add_argument("-n", "--lines", type=_count, default=0, help="only so many of the last")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with new lines")
    given = parser.parse_args(arguments)
    wanted = Wanted(tuple(given.about), given.program, given.level)
    try:
        source, is_file = _source(given.file, given.follow)
        if source is None:
            print(NO_FILE, file=sys.stderr)
            return EXIT_FAILURE
        if not is_file and given.follow and given.lines:
            parser.error("-n with -f needs a file: of what is piped in, nobody knows what is old")
        return _print(last_of(pick(source, wanted), given.lines), given.follow)
    except StartupError as error:
        print(f"mixminus: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"mixminus: {error.filename}: {error.strerror}", file=sys.stderr)
        return EXIT_FAILURE
    except KeyboardInterrupt:
        return 0


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError("write a number of lines, such as 50")
    return int(text)


def _source(file: Path | None, follow: bool) -> tuple[Iterator[str] | None, bool]:
    """Where lines come from (None: nowhere), and whether that is a file.

    What is piped in counts before the file of the settings, unless the pipe ends without a line, as
    that of a job of cron.
    """
    if file is not None:
        return read(file, follow), True
    log_file = load_all(AllSettings).runtime.log_file
    if _is_piped():
        first = sys.stdin.readline() if log_file else ""
        if first or not log_file:
            return chain(filter(None, [first]), sys.stdin), False
    return (read(Path(log_file), follow), True) if log_file else (None, False)


def _is_piped() -> bool:
    """Whether lines may come in; a terminal, or nothing, has none."""
    mode = os.fstat(sys.stdin.fileno()).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)


def last_of(lines: Iterator[str], count: int) -> Iterator[str]:
    """The last ``count`` (0: all) of what there is now, and each that comes later."""
    kept = deque[str](maxlen=count)
    for line in lines if count else ():
        if line == NOW:
            break
        kept.append(line)
    yield from kept
    yield from lines


def _print(lines: Iterator[str], follow: bool) -> int:
    try:
        for line in lines:
            sys.stdout.write(line)
            if follow:
                sys.stdout.flush()
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def read(path: Path, follow: bool) -> Iterator[str]:
    """The lines of a log file, of those that were put aside first; ``follow``: for ever, with
    ``NOW`` at each end.

    Raises OSError where the file itself cannot be read.
    """
    numbers = [p for p in path.parent.glob(f"{path.name}.*") if p.suffix[1:].isdigit()]
    for older in sorted(numbers, key=lambda p: -int(p.suffix[1:])):
        with older.open(encoding="utf-8", errors="replace") as file:
            yield from file
    while True:
        with path.open(encoding="utf-8", errors="replace") as file:
            yield from file
            while follow and _goes_on(path, file.fileno()):
                yield NOW
                time.sleep(POLL_S)
                yield from file
            yield from file  # What came just before it was put aside.
        if not follow:
            return


def _goes_on(path: Path, descriptor: int) -> bool:
    """Whether the file has neither been put aside nor begun anew; it was read to its end."""
    known = os.fstat(descriptor)
    if known.st_size < os.lseek(descriptor, 0, os.SEEK_CUR):
        return False
    try:
        return path.stat().st_ino == known.st_ino
    except FileNotFoundError:
        return True


def level(arguments: Sequence[str]) -> int:
    """Entry point of ``mixminus log-level``; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="mixminus log-level", description="What is written to the log, while it runs."
    )
    parser.add_argument("level", nargs="?", choices=(*LEVELS, "reset"), help="none: show it")
    parser.add_argument(
        "--for",
        dest="lifetime_s",
        type=lifetime_s,
        default=3_600,
        metavar="TIME",
        help="then the level of the settings counts again; default: 1h",
    )
    given = parser.parse_args(arguments)
    try:
        settings = load_all(AllSettings)
        now_s = time.time()
        if given.level is not None:
            ends_s = now_s + given.lifetime_s
            chosen = None if given.level == "reset" else Setting(given.level, ends_s)
            log_level.write(settings.runtime_dir, chosen)
    except StartupError as error:
        print(f"mixminus: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"mixminus: {error.filename}: {error.strerror}: is it running?", file=sys.stderr)
        return EXIT_FAILURE
    print(f"mixminus: {words(log_level.read(settings.runtime_dir), settings, now_s)}")
    return 0


def words(setting: Setting | None, settings: AllSettings, now_s: float) -> str:
    """What is logged, as a sentence."""
    usual = settings.runtime.log_level
    if setting is None or setting.until_s <= now_s:
        return f"{usual} and above is logged, as the settings say"
    ends = time.strftime("%H:%M:%S", time.localtime(setting.until_s))
    return f"{setting.level} and above is logged until {ends}, then {usual} again"
