"""The kernel's counters, as files of a made-up machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mixer_core.runtime import processor_time
from signaling.host import Host

STAT = "cpu  100 20 30 4000 50 6 7 80 9 10\ncpu0 1 2 3\n"
TICK_US = 1_000_000 // os.sysconf("SC_CLK_TCK")


def machine(folder: Path, groups: dict[str, str] | None = None, **files: str) -> Host:
    """A host; ``groups``: files below the control groups, where it is in ``a/b``."""
    proc = folder / "proc"
    inside = {"stat": STAT, "meminfo": "MemTotal: 9 kB\nMemAvailable: 2048000 kB\n"} | files
    if groups is not None:
        inside["self/cgroup"] = "4:memory:/old\n0::/a/b\n"
    for name, text in inside.items():
        (proc / name).parent.mkdir(parents=True, exist_ok=True)
        (proc / name).write_text(text)
    for name, text in (groups or {}).items():
        (folder / "groups" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "groups" / name).write_text(text)
    return Host(proc, folder / "groups")


def test_without_control_groups_it_is_the_machine(tmp_path: Path) -> None:
    pressure = "some avg10=0.67 avg60=36.64 avg300=69.58 total=16832793301\nfull total=1\n"
    read = machine(tmp_path, **{"pressure/cpu": pressure}).read()
    assert read.idle_us == 4_050 * TICK_US and read.stolen_us == 80 * TICK_US
    assert read.pressure_us == 16_832_793_301
    assert read.memory_mib == 2_000
    assert read.cores == len(os.sched_getaffinity(0))


def test_the_smallest_quota_of_all_groups_around_counts(tmp_path: Path) -> None:
    groups = {"cpu.max": "max 100000", "a/cpu.max": "25000 100000", "a/b/cpu.max": "80000 100000"}
    assert machine(tmp_path, groups).read().cores == 0.25


def test_memory_and_pressure_are_those_of_the_group(tmp_path: Path) -> None:
    mib = 1 << 20
    groups = {
        "a/memory.max": str(300 * mib),
        "a/memory.current": str(280 * mib),
        "a/memory.stat": f"anon 1\ninactive_file {30 * mib}\n",
        "a/b/memory.max": "max",
        "a/b/memory.current": "1",
        "a/b/cpu.pressure": "some avg10=0 avg60=0 avg300=0 total=77\n",
    }
    read = machine(tmp_path, groups, **{"pressure/cpu": "some total=99\n"}).read()
    assert read.memory_mib == 50
    assert read.pressure_us == 77


@pytest.mark.parametrize("text", ["", "cpu\n", "cpu a b c d e f g h\n", "\x00\xff", "intr 1 2\n"])
def test_files_that_cannot_be_read_are_not_known(tmp_path: Path, text: str) -> None:
    groups = {"a/b/cpu.max": text, "a/memory.max": text, "a/memory.current": text}
    files = {"stat": text, "meminfo": text, "pressure/cpu": text}
    read = machine(tmp_path, groups, **files).read()
    assert (read.idle_us, read.stolen_us, read.pressure_us) == (None, None, None)
    assert read.memory_mib is None and read.cores >= 1


def test_a_machine_without_anything_is_read_too(tmp_path: Path) -> None:
    read = Host(tmp_path / "none", tmp_path / "nothing").read()
    assert read.idle_us is None and read.cores > 0


def test_this_machine_can_be_read() -> None:
    read = Host().read()
    assert read.idle_us and read.memory_mib and read.cores > 0


def test_processor_time_counts_what_this_process_uses(tmp_path: Path) -> None:
    before = processor_time.counters()[processor_time.USED]
    sum(range(200_000))
    assert processor_time.counters()[processor_time.USED] > before
    file = tmp_path / "schedstat"
    file.write_text("95000000 13345177 443\n")
    read = processor_time.counters(str(file))
    assert (read[processor_time.WAITED], read[processor_time.TURNS]) == (13_345, 443)
    for text in ("", "1 2\n", "a b c\n"):
        file.write_text(text)
        assert list(processor_time.counters(str(file))) == [processor_time.USED]
    assert list(processor_time.counters(str(tmp_path / "none"))) == [processor_time.USED]
