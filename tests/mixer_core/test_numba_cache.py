"""The cache of compiled kernels is only a help: whatever is wrong with it, kernels are there."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mixer_core import numba_cache
from mixer_core.numba_cache import KERNELS, SEAL, CacheGuard, folder_of, prepare_cache
from tests.support.waiting import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
AS_ROOT = os.getuid() == 0
START_S = 5 * PATIENCE_S
"""A cold start compiles; slow machines take tens of seconds."""

QUICK = {"NUMBA_OPT": "0"}
"""Compiles in less time; what is compiled is not judged here."""

START = """
import json, os, sys
from pathlib import Path
from mixer_core.numba_cache import load_kernels, prepare_cache
prepared = prepare_cache(Path(sys.argv[1]))
if sys.argv[2] == "all":
    load_kernels()
from mixer_core.kernels import CACHE, mix
trouble = prepared.trouble or CACHE.trouble
import numpy as np
total = np.zeros(4, np.int32)
mix(np.ones((3, 4), np.int16), total)
print(json.dumps({
    "sum": int(total.sum()), "warm": prepared.is_warm, "hits": sum(mix.stats.cache_hits.values()),
    "trouble": trouble, "directory": os.environ.get("NUMBA_CACHE_DIR"),
}))
"""


# -- where it is --------------------------------------------------------------------------------


def test_it_is_in_the_users_cache_directory(tmp_path: Path) -> None:
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": "/nowhere"}
    expected = tmp_path / "cache" / "mixminus" / "numba"
    assert prepare_cache(tmp_path / "run", env).directory == expected
    assert env["NUMBA_CACHE_DIR"] == str(expected)


@pytest.mark.parametrize(
    "env", [{"XDG_CACHE_HOME": "cache"}, {"XDG_CACHE_HOME": "~/cache"}, {"XDG_CACHE_HOME": ""}]
)
def test_a_cache_directory_that_is_relative_does_not_count(
    tmp_path: Path, env: dict[str, str]
) -> None:
    home = tmp_path / "home"
    prepared = prepare_cache(tmp_path / "run", {**env, "HOME": str(home)})
    assert prepared.directory == home / ".cache" / "mixminus" / "numba"


def test_a_path_that_cannot_be_is_passed_over(tmp_path: Path) -> None:
    assert prepare_cache(tmp_path, {"HOME": "/a\0b"}).directory == tmp_path / "numba"


@pytest.mark.parametrize("env", [{}, {"HOME": ""}, {"HOME": "/proc/nobody"}, {"HOME": "/dev/null"}])
def test_without_a_home_it_is_in_the_runtime_directory(tmp_path: Path, env: dict[str, str]) -> None:
    assert prepare_cache(tmp_path, env).directory == tmp_path / "numba"


def test_where_nothing_can_be_written_there_is_none() -> None:
    env = {"NUMBA_CACHE_DIR": "/proc/nobody/numba"}
    prepared = prepare_cache(Path("/proc/nobody"), env)
    assert prepared.directory is None and not prepared.is_warm
    assert env == {}, "numba would look for a place of its own"
    assert "cannot be used" in prepared.trouble and "\n" not in prepared.trouble


def test_a_chosen_one_is_respected(tmp_path: Path) -> None:
    chosen = tmp_path / "mine"
    assert prepare_cache(tmp_path, {"NUMBA_CACHE_DIR": str(chosen)}).directory == chosen


# -- whether it can be trusted ------------------------------------------------------------------


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    """A directory whose kernels look like numba's, and were sealed."""
    folder = folder_of(tmp_path / "numba")
    folder.mkdir(parents=True, mode=0o700)
    for module in KERNELS:
        for name in (f"{module}.mix-1.py311.nbi", f"{module}.mix-1.py311.1.nbc"):
            (folder / name).write_bytes(name.encode() * 40)
    CacheGuard({"NUMBA_CACHE_DIR": str(tmp_path / "numba")}).seal()
    return folder


def start(folder: Path) -> numba_cache.Prepared:
    return prepare_cache(folder.parents[1] / "run", {"NUMBA_CACHE_DIR": str(folder.parent)})


def test_whole_kernels_are_warm(sealed: Path) -> None:
    before = sorted(path.name for path in sealed.iterdir())
    assert start(sealed) == numba_cache.Prepared(sealed.parent, True, "")
    assert sorted(path.name for path in sealed.iterdir()) == before


@pytest.mark.parametrize("module", KERNELS)
def test_kernels_that_are_older_than_their_source_are_not_warm_and_no_trouble(
    sealed: Path, module: str
) -> None:
    for path in sealed.glob(f"{module}.*.nbi"):
        os.utime(path, (0, 0))
    assert start(sealed) == numba_cache.Prepared(sealed.parent, False, "")


def _index(folder: Path) -> Path:
    return next(folder.glob("kernels.*.nbi"))


def _code(folder: Path) -> Path:
    return next(folder.glob("kernels.*.nbc"))


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "inside").touch()


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _link(path: Path, target: str = "/nowhere/at/all") -> None:
    path.unlink()
    path.symlink_to(target)


def _whole_folder(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("a file")


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty index": lambda folder: _index(folder).write_bytes(b""),
    "empty code": lambda folder: _code(folder).write_bytes(b""),
    "cut index": lambda folder: os.truncate(_index(folder), 600),
    "cut code": lambda folder: os.truncate(_code(folder), 600),
    "zeros": lambda folder: _index(folder).write_bytes(bytes(1_257)),
    "zeros in the middle": lambda folder: _code(folder).write_bytes(
        _code(folder).read_bytes()[:300] + bytes(300) + _code(folder).read_bytes()[600:]
    ),
    "one bit": lambda folder: _code(folder).write_bytes(b"K" + _code(folder).read_bytes()[1:]),
    "longer": lambda folder: _index(folder).write_bytes(_index(folder).read_bytes() + b"\0"),
    "directory for index": lambda folder: _directory(_index(folder)),
    "directory for code": lambda folder: _directory(_code(folder)),
    "pipe": lambda folder: _pipe(_code(folder)),
    "dangling link": lambda folder: _link(_code(folder)),
    "a link to itself": lambda folder: _link(_code(folder), str(_code(folder))),
    "a device": lambda folder: _link(_code(folder), "/dev/zero"),
    "larger than the memory": lambda folder: os.truncate(_code(folder), 50 << 30),
    "a seal larger than the memory": lambda folder: os.truncate(folder / SEAL, 50 << 30),
    "a pipe for a seal": lambda folder: _pipe(folder / SEAL),
    "a seal too deep": lambda folder: (folder / SEAL).write_text("[" * 100_000),
    "code is gone": lambda folder: _code(folder).unlink(),
    "index is gone": lambda folder: _index(folder).unlink(),
    "a strange file": lambda folder: (folder / "kernels.x.nbi").write_bytes(b"x"),
    "no seal": lambda folder: (folder / SEAL).unlink(),
    "empty seal": lambda folder: (folder / SEAL).write_bytes(b""),
    "zeroed seal": lambda folder: (folder / SEAL).write_bytes(bytes(200)),
    "seal of another kind": lambda folder: (folder / SEAL).write_text("[1, 2]"),
    "seal of numbers": lambda folder: (folder / SEAL).write_text('{"kernels.x": 1}'),
    "a number for a seal": lambda folder: (folder / SEAL).write_text("7"),
    "a directory for a seal": lambda folder: _directory(folder / SEAL),
    "written by anybody": lambda folder: os.chmod(_code(folder), 0o666),
    "a folder of anybody": lambda folder: os.chmod(folder, 0o777),
    "a file for a folder": _whole_folder,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_kernels_are_removed_and_told_in_one_line(sealed: Path, damage: str) -> None:
    DAMAGES[damage](sealed)
    prepared = start(sealed)
    assert prepared.directory == sealed.parent and not prepared.is_warm
    assert "cannot be used" in prepared.trouble and prepared.trouble.count("\n") == 0
    assert list(sealed.iterdir()) == [], "nothing of it is left for numba to read"
    assert start(sealed) == numba_cache.Prepared(sealed.parent, False, "")


def test_a_base_that_anybody_may_write_is_not_used(sealed: Path) -> None:
    os.chmod(sealed.parent, 0o777)
    prepared = start(sealed)
    assert prepared.directory == sealed.parents[1] / "run" / "numba"
    assert "everybody may write" in prepared.trouble
    assert _code(sealed).exists(), "what cannot be trusted is left alone"


@pytest.mark.skipif(not AS_ROOT, reason="needs to give files to another user")
@pytest.mark.parametrize("of", ["folder", "file"])
def test_what_belongs_to_somebody_else_is_not_loaded(sealed: Path, of: str) -> None:
    os.chown(sealed.parent if of == "folder" else _code(sealed), 12_345, -1)
    prepared = start(sealed)
    assert not prepared.is_warm and "belongs to another user" in prepared.trouble


def test_other_programs_and_other_copies_of_ours_are_left_alone(sealed: Path) -> None:
    other = sealed.parent / "mixer_core_0123" / "kernels.mix.nbi"
    other.parent.mkdir()
    other.write_bytes(b"")
    _index(sealed).write_bytes(b"")
    start(sealed)
    assert other.exists()


# -- doing without it ---------------------------------------------------------------------------


class Dispatcher:
    """Stands for numba's: compiles unless its cache fails before or after."""

    def __init__(self, fails: str) -> None:
        self._fails = fails
        self._is_cached = False
        self.overloads: dict[str, int] = {}
        self.compiled = 0
        self.is_closed = False

    def enable_caching(self) -> None:
        if self._fails == "locate":
            raise RuntimeError("cannot cache function: no locator available")
        self._is_cached = True

    def compile(self, signature: str) -> None:
        if signature in self.overloads:
            return
        if self._is_cached and self._fails == "load":
            raise EOFError("Ran out of input")
        self.overloads[signature] = 1
        self.compiled += 1
        if self._is_cached and self._fails == "save":
            raise OSError(28, "No space left on device")

    def disable_compile(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize(
    ("fails", "words"),
    [("locate", "no locator"), ("load", "EOFError"), ("save", "No space left on device")],
)
def test_any_failure_turns_the_cache_off_and_compiles_once(
    tmp_path: Path, fails: str, words: str
) -> None:
    guard = CacheGuard({"NUMBA_CACHE_DIR": str(tmp_path)})
    folder_of(tmp_path).mkdir()
    made = [guard.compiled(lambda: Dispatcher(fails), "f(x)") for _ in range(3)]
    assert [found.compiled for found in made] == [1, 1, 1]
    assert all(found.is_closed for found in made)
    assert words in guard.trouble and "\n" not in guard.trouble
    guard.seal()
    assert not folder_of(tmp_path).exists(), "what is half written is not kept"


def test_a_function_that_cannot_be_compiled_is_still_an_error(tmp_path: Path) -> None:
    class Wrong(Dispatcher):
        def compile(self, signature: str) -> None:
            raise TypeError("no such type")

    guard = CacheGuard({"NUMBA_CACHE_DIR": str(tmp_path)})
    with pytest.raises(TypeError):
        guard.compiled(lambda: Wrong(""), "f(x)")


# -- with numba itself --------------------------------------------------------------------------


def run(base: Path, modules: str = "one", **options: Any) -> dict[str, Any]:
    """Start a process that uses a kernel; what it says.

    ``modules``: ``all`` of kernels are loaded as the mixer does it, or the ``one`` that is used.
    """
    env = {k: v for k, v in os.environ.items() if k not in ("NUMBA_CACHE_DIR", "HOME")}
    env |= QUICK | {"XDG_CACHE_HOME": str(base)}
    done = subprocess.run(
        [sys.executable, "-c", START, str(base / "run"), modules],
        cwd=ROOT, env=env, capture_output=True, text=True,
        timeout=START_S, check=True, **options,
    )  # fmt: skip
    assert done.stderr == ""
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["sum"] == 12
    return told


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that a real start has filled."""
    base = tmp_path_factory.mktemp("warm")
    cold = run(base, "all")
    assert not cold["warm"] and cold["trouble"] == ""
    return base


@pytest.fixture
def copied(warm: Path, tmp_path: Path) -> Path:
    shutil.copytree(warm, tmp_path / "cache")
    return tmp_path / "cache"


def of(base: Path) -> Path:
    return folder_of(base / "mixminus" / "numba")


@pytest.mark.processes
def test_numba_puts_its_files_where_they_are_sealed(warm: Path) -> None:
    sealed = set(json.loads((of(warm) / SEAL).read_bytes()))
    assert sealed == {path.name for path in of(warm).iterdir()} - {SEAL}
    assert {name.partition(".")[0] for name in sealed} == set(KERNELS)
    assert run(warm, "all") == {
        "sum": 12, "warm": True, "hits": 1, "trouble": "",
        "directory": str(warm / "mixminus" / "numba"),
    }  # fmt: skip


@pytest.mark.processes
def test_a_start_with_damaged_kernels_mends_them(copied: Path) -> None:
    """Whatever the damage: numba finds an empty folder, as it does after every other one."""
    DAMAGES["zeros in the middle"](of(copied))
    mended = run(copied)
    assert not mended["warm"] and "cannot be used" in mended["trouble"]
    assert run(copied)["hits"] == 1


@pytest.mark.processes
def test_damage_that_is_sealed_is_still_no_reason_to_stop(copied: Path) -> None:
    _index(of(copied)).write_bytes(b"\x80\x04garbage")
    CacheGuard({"NUMBA_CACHE_DIR": str(copied / "mixminus" / "numba")}).seal()
    assert "cannot be used" in run(copied)["trouble"]


@pytest.mark.processes
def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    def limited() -> None:
        """Files end at 6 kB, as on a disk that is full by then."""
        resource.setrlimit(resource.RLIMIT_FSIZE, (6_000, 6_000))

    told = run(tmp_path, preexec_fn=limited)
    assert "cannot be used (File too large)" in told["trouble"]
    assert run(tmp_path)["trouble"] == "", "nothing half written is left behind"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)]
    if not AS_ROOT or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a file system cannot be mounted here")
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


@pytest.mark.processes
def test_a_disk_that_is_really_full_is_one_line(small_disk: Path) -> None:
    assert "No space left on device" in run(small_disk)["trouble"]
    assert not of(small_disk).exists(), "the next start begins anew"


@pytest.mark.processes
def test_kernels_of_another_processor_are_compiled_again(copied: Path) -> None:
    os.environ["NUMBA_CPU_NAME"] = "generic"
    try:
        other = run(copied)
    finally:
        del os.environ["NUMBA_CPU_NAME"]
    assert (other["hits"], other["trouble"]) == (0, "")
    assert run(copied)["hits"] == 1, "those of this one are still there"
