"""Networks as data: what a shape does to datagrams, and what becomes of flows, is what it says."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import pytest

from benchmarks.rig.network_path import CONNECT_RETRIES_S, RETRIES_S, Network
from benchmarks.rig.shapes import BY_NAME, CLEAN, LTE, NAT, SHAPES, VPN, WIFI, Loss, Path, Shape
from mixer_core.bus.pcm import FRAME_NS
from mixer_core.runtime.units import MS_NS, S_NS

SIZE_BYTES = 1_040


def fates(shape: Shape, count: int = 6_000, seed: int = 1) -> list[list[int]]:
    """What becomes of datagrams, one each 20 ms: by how much each copy is late, ns."""
    path = Path(shape, seed, 0)
    sent = ((at_ns, path.fate(SIZE_BYTES, at_ns)) for at_ns in range(0, count * FRAME_NS, FRAME_NS))
    return [[arrival - at_ns for arrival in arrivals] for at_ns, arrivals in sent]


def test_every_shape_has_a_name_and_says_where_its_figures_come_from() -> None:
    assert len(BY_NAME) == len(SHAPES)
    for shape in SHAPES[1:]:
        assert shape.source.startswith(("recorded: ", "chosen: "))
        assert list(shape.waits_ms) == sorted(shape.waits_ms)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_the_same_seed_gives_the_same_network(shape: Shape) -> None:
    assert fates(shape, 300) == fates(shape, 300)
    assert shape is CLEAN or fates(shape, 300) != fates(shape, 300, seed=2)


def test_a_clean_network_does_nothing() -> None:
    assert set(map(tuple, fates(CLEAN, 500))) == {(0,)}


def test_loss_comes_in_bursts_as_long_and_as_often_as_the_model_says() -> None:
    loss = Loss(to_bad=0.02, to_good=0.25, in_bad=1.0)
    found = [not arrivals for arrivals in fates(Shape("x", "chosen: here", loss=loss), 40_000)]
    share = sum(found) / len(found)
    bursts = sum(lost and not before for before, lost in zip([False, *found], found, strict=False))
    assert share == pytest.approx(0.02 / (0.02 + 0.25), rel=0.1)
    assert sum(found) / bursts == pytest.approx(1 / 0.25, rel=0.1)


def test_order_is_kept_but_for_the_share_that_is_overtaken() -> None:
    def overtaken(shape: Shape) -> int:
        arrivals = [20 * n * MS_NS + late[0] for n, late in enumerate(fates(shape)) if late]
        return sum(a > b for a, b in pairwise(arrivals))

    assert overtaken(dataclasses.replace(WIFI, overtaken=0.0)) == 0
    assert overtaken(VPN) > 10


def test_copies_come_as_often_as_the_shape_says() -> None:
    doubled = sum(len(late) == 2 for late in fates(dataclasses.replace(CLEAN, doubled=0.1)))
    assert doubled == pytest.approx(600, rel=0.15)


def test_a_stall_holds_everything_and_lets_it_go_at_once() -> None:
    shape = Shape("x", "chosen: here", stall_every_s=2.0, stalls_ms=(200,))
    late = [arrivals[0] / MS_NS for arrivals in fates(shape)]
    assert max(late) == 200
    stalls = sum(one == 200 for one in late)
    assert stalls == pytest.approx(6_000 * 0.02 / 2.2, rel=0.3)
    first = late.index(200)
    assert late[first : first + 11] == [200.0 - 20 * n for n in range(11)]


def test_what_is_longer_than_the_path_takes_does_not_pass() -> None:
    path = Path(VPN, 1, 0)
    assert not path.fate(1_280 - 28 + 1, 0) and path.too_long == 1
    assert Path(dataclasses.replace(VPN, loss=Loss()), 1, 0).fate(1_280 - 28, 0)


def test_nothing_passes_in_an_outage_and_streams_try_again() -> None:
    network = Network(0)
    end_ns = network.outage(2.0, 0)
    assert end_ns == 2 * S_NS
    assert network.fate(True, SIZE_BYTES, 0, S_NS) == []
    assert network.fate(True, SIZE_BYTES, 0, end_ns) == [end_ns]
    assert network.stream_arrival_ns(S_NS // 2, RETRIES_S) == int(3.5 * S_NS)
    assert network.stream_arrival_ns(0, CONNECT_RETRIES_S) == 3 * S_NS
    assert network.stream_arrival_ns(end_ns, RETRIES_S) == end_ns


def test_flows_of_a_network_that_was_left_get_nowhere() -> None:
    network = Network(0)
    up_ns = network.change(LTE, 0.5, 0)
    assert up_ns == S_NS // 2 and network.number == 1
    assert network.fate(True, SIZE_BYTES, 0, up_ns) == []
    assert network.fate(True, SIZE_BYTES, 1, up_ns - 1) == []
    assert network.fate(True, SIZE_BYTES, 1, up_ns)


def test_a_nat_gives_other_ports_from_time_to_time() -> None:
    network = Network(0)
    network.set_shape(NAT, 0)
    moments = [ms for ms in range(0, 20_001, 100) if network.rebinds_now(ms * MS_NS)]
    assert moments == [5_000, 10_000, 15_000, 20_000] and network.rebinds == 4
