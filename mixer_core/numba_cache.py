"""The cache of compiled kernels: where it is, whether it can be trusted, and doing without it.

It is only a help. Whatever is wrong with it costs one line of log and the time to compile; nothing
that numba reads or writes there may keep the mixer from starting. numba checks neither who owns its
files nor whether they are whole, and runs the machine code in them, so each file's digest is kept
beside them in a seal, and what does not match is removed before numba sees it.

``prepare_cache`` must run before ``kernels`` is imported: numba reads ``NUMBA_CACHE_DIR`` then.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .runtime.loading import without

CACHE_VARIABLE = "NUMBA_CACHE_DIR"
SEAL = "kernels.seal"
"""JSON: SHA-256 by name of every other file of the kernels."""
_HERE = Path(os.path.abspath(__file__)).parent
KERNELS = ("kernels", "voice_kernels", "echo_kernels")
"""The modules that hold kernels, all of them in this package."""
_PREFIXES = tuple(f"{module}." for module in KERNELS)
_PROBE = bytes(4_096)
_UNUSED = ("cffi", "coverage", "yaml")
"""What numba imports where it is installed, and the kernels do not need."""
MAX_FILE_BYTES = 64 << 20
"""A larger file is damaged: kernels have some hundred kilobytes."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a start can expect of the cache."""

    directory: Path | None
    """For ``NUMBA_CACHE_DIR``; None: kernels are compiled at every start."""
    is_warm: bool
    """It holds kernels that are whole, and newer than their source."""
    trouble: str = ""
    """What was wrong, in one line; empty: nothing."""


class CacheError(Exception):
    """The cache cannot be used; the message says why."""


def prepare_cache(runtime_dir: Path, env: MutableMapping[str, str] = os.environ) -> Prepared:
    """Set ``NUMBA_CACHE_DIR`` to the first directory that can be used; never raises.

    The candidates: its value, or ``$XDG_CACHE_HOME/mixminus/numba`` (``~/.cache`` by default), then
    ``<runtime_dir>/numba``. Damaged kernels are removed. Where there is no directory the variable
    is removed, and nothing is kept.
    """
    trouble = ""
    for directory in _candidates(runtime_dir, env):
        try:
            is_warm, damage = _usable(directory)
        except (CacheError, OSError, ValueError) as error:
            trouble = trouble or _words(directory, error)
            continue
        env[CACHE_VARIABLE] = str(directory)
        return Prepared(directory, is_warm, trouble or damage)
    env.pop(CACHE_VARIABLE, None)
    return Prepared(None, False, trouble)


def look(runtime_dir: Path, env: MutableMapping[str, str] = os.environ) -> Prepared:
    """What ``prepare_cache`` would say, without removing, making or setting anything."""
    trouble = ""
    for directory in _candidates(runtime_dir, env):
        try:
            existing = next(path for path in (directory, *directory.parents) if path.exists())
            if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
                raise CacheError(f"{existing} is no directory that this user can write")
            if directory.exists():
                _check_owner(directory)
        except (CacheError, OSError, ValueError) as error:
            trouble = trouble or _words(directory, error)
            continue
        folder = folder_of(directory)
        try:
            return Prepared(directory, _check(folder) and _is_new(folder), trouble)
        except (CacheError, OSError) as error:
            return Prepared(directory, False, trouble or _words(directory, error))
    return Prepared(None, False, trouble)


def load_kernels() -> str:
    """Import every module of kernels, which compiles what is not in the cache.

    Returns what was wrong with the cache meanwhile; empty: nothing was.
    """
    with without(*_UNUSED):
        loaded = [importlib.import_module(f"{__package__}.{module}") for module in KERNELS]
    return str(loaded[0].CACHE.trouble)


def folder_of(directory: Path) -> Path:
    """Where numba puts the kernels of this copy of the program."""
    return directory / f"{_HERE.name}_{hashlib.sha1(str(_HERE).encode()).hexdigest()}"


class CacheGuard:
    """Every kernel is compiled here: from the cache, into the cache, or without it."""

    def __init__(self, env: MutableMapping[str, str] = os.environ) -> None:
        directory = env.get(CACHE_VARIABLE)
        self._folder = folder_of(Path(directory)) if directory else None
        self.trouble = ""
        """What failed, in one line; empty: nothing."""

    def compiled(self, make: Callable[[], Any], signature: str) -> Any:
        """A dispatcher of numba, compiled for ``signature`` alone.

        ``make`` makes a new one that is neither compiled nor cached. The first failure turns the
        cache off; what had been compiled by then is kept.
        """
        dispatcher = make()
        if self._folder is not None:
            try:
                dispatcher.enable_caching()
                dispatcher.compile(signature)
            except Exception as error:  # Damaged files raise whatever their bytes happen to mean.
                self._give_up(error)
                if not dispatcher.overloads:
                    dispatcher = make()
        if not dispatcher.overloads:
            dispatcher.compile(signature)
        dispatcher.disable_compile()
        return dispatcher

    def seal(self) -> None:
        """All kernels are compiled: note what the files are, for the next start."""
        if self._folder is None:
            return
        try:
            _seal(self._folder)
        except (CacheError, OSError) as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        assert self._folder is not None
        self.trouble = _words(self._folder.parent, error)
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = None


def _candidates(runtime_dir: Path, env: MutableMapping[str, str]) -> Iterator[Path]:
    home = env.get("HOME")
    caches = env.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(caches):  # As the specification of these directories wants it.
        caches = f"{home}/.cache" if home else ""
    if env.get(CACHE_VARIABLE):
        yield Path(env[CACHE_VARIABLE])
    elif caches:
        yield Path(caches, "mixminus", "numba")
    yield runtime_dir / "numba"


def _usable(directory: Path) -> tuple[bool, str]:
    """Make the directory ready: whether its kernels are warm, and what was wrong with them.

    Raises CacheError or OSError if it cannot be used.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_owner(directory)
    folder, damage = folder_of(directory), ""
    try:
        if _check(folder):
            return _is_new(folder), ""
    except CacheError as error:
        damage = f"{_words(directory, error)} and was removed"
    _remove(folder)
    folder.mkdir(mode=0o700)
    probe = folder / f".probe-{os.getpid()}"
    try:
        probe.write_bytes(_PROBE)
    finally:
        probe.unlink(missing_ok=True)
    return False, damage


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _check_owner(path: Path) -> None:
    """What others can write is not loaded: it is machine code."""
    status = path.stat()
    if status.st_uid != os.getuid():
        raise CacheError(f"{path.name} belongs to another user")
    if status.st_mode & 0o002:
        raise CacheError(f"everybody may write to {path.name}")


def _check(folder: Path) -> bool:
    """Whether it holds kernels; raises CacheError if they are not those that were sealed."""
    try:
        if not folder.exists():
            return False
        _check_owner(folder)
        kernels = {path.name for path in folder.iterdir() if path.name.startswith(_PREFIXES)}
        if not kernels - {SEAL}:
            return False
        sealed = json.loads(_content(folder / SEAL))
        for name in sorted(kernels - {SEAL} | set(sealed)):
            if sealed.get(name) != _digest(folder / name):
                raise CacheError(f"{name} is damaged")
    except OSError as error:
        raise CacheError(f"{Path(str(error.filename)).name}: {error.strerror}") from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise CacheError(f"{SEAL} is damaged") from error
    return True


def _is_new(folder: Path) -> bool:
    """numba compiles anew what is older than its source."""
    return all(_has_new(folder, module) for module in KERNELS)


def _has_new(folder: Path, module: str) -> bool:
    source_ns = (_HERE / f"{module}.py").stat().st_mtime_ns
    indexes = folder.glob(f"{module}.*.nbi")
    return any(path.stat().st_mtime_ns >= source_ns for path in indexes)


def _seal(folder: Path) -> None:
    """Write the seal, if it has changed, in one step."""
    names = sorted(path.name for path in folder.iterdir() if path.name.startswith(_PREFIXES))
    digests = {name: _digest(folder / name) for name in names if name != SEAL}
    content = json.dumps(digests, indent=1).encode()
    seal = folder / SEAL
    if seal.is_file() and seal.read_bytes() == content:
        return
    fresh = folder / f".seal-{os.getpid()}"
    try:
        fresh.write_bytes(content)
        fresh.replace(seal)
    finally:
        fresh.unlink(missing_ok=True)


def _digest(path: Path) -> str:
    return hashlib.sha256(_content(path)).hexdigest()


def _content(path: Path) -> bytes:
    if path.exists() and not path.is_file():  # A directory, a pipe.
        raise CacheError(f"{path.name} is no file")
    _check_owner(path)
    if path.stat().st_size > MAX_FILE_BYTES:
        raise CacheError(f"{path.name} is damaged")
    return path.read_bytes()


def _words(directory: Path, error: Exception) -> str:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    if not isinstance(error, CacheError | OSError):
        reason = f"{type(error).__name__}: {reason}"
    line = " ".join(reason.split())[:200]
    return f"the cache of compiled kernels in {directory} cannot be used ({line})"
