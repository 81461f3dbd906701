"""``bench placement``: 10,000 nodes and 1,000,000 rooms in virtual time, placed by the policy that
ships. Rooms come and end, few are large, nodes die, drain and are added (``rig/placement_world``).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from statistics import fmean

from mixer_core.cluster.records import NodeRecord, RoomRecord, encode_record

from ..report.findings import Findings, Options
from ..report.placement_picture import draw
from ..report.series import Series
from ..rig.placement_world import ROOM_S, TICKS_S, World
from ..rig.window import spread

LOOK_S = 5
REFRESH_S = 6 * 3_600
"""Owners write the records of rooms in use again after this time (``owners.REFRESH_NS``)."""
HEADER_BYTES = 120
"""Of a message in a bucket beside key and value, about."""
CHOICES = (1, 2, 3, 8)
LOADS = (0.62, 0.75, 0.85, 0.95)
"""Share of all places that is taken."""


@dataclass
class Story:
    """One run, and what was seen of it every few seconds."""

    world: World
    at_s: int = 0
    fullest: list[tuple[float, float]] = field(default_factory=list)
    high: list[tuple[float, float]] = field(default_factory=list)
    newest: list[tuple[float, float]] = field(default_factory=list)
    moves: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    events: dict[str, float] = field(default_factory=dict)
    heal_s: dict[str, list[float]] = field(default_factory=dict)
    added: range = range(0)

    def live(self, seconds: int) -> Counter[str]:
        """Go on for so long; what was counted meanwhile."""
        before = self.world.counts.copy()
        for _ in range(seconds // LOOK_S):
            counts = self.world.counts.copy()
            for _ in range(LOOK_S * TICKS_S):
                self.world.step()
            self.at_s += LOOK_S
            self._look(counts)
        after = self.world.counts
        return Counter({name: after[name] - before[name] for name in after})

    def happens(self, words: str) -> None:
        """Something is done now."""
        self.events[words] = float(self.at_s)

    def _look(self, before: Counter[str]) -> None:
        fills = sorted(self.world.nodes.fills())
        mean = fmean(fills)
        self.fullest.append((self.at_s, fills[-1] / mean))
        self.high.append((self.at_s, fills[int(0.99 * len(fills))] / mean))
        if self.added:
            nodes = self.world.nodes
            new = [nodes.people[number] / nodes.capacity[number] for number in self.added]
            self.newest.append((self.at_s, fmean(new) / mean))
        for name in ("rooms taken over", "rooms moved"):
            rate = (self.world.counts[name] - before[name]) * 60 / LOOK_S
            self.moves.setdefault(name, []).append((self.at_s, rate))


def run(options: Options, findings: Findings) -> None:
    """The whole story at full size, then what the number of draws and the load make of it."""
    nodes = int(options.scaled(10_000, 1_000, 20))
    rooms = nodes * 100
    findings.progress(f"{nodes} nodes, {rooms} rooms")
    story = Story(World(nodes, rooms, 2))
    told = _story(story, findings, options, nodes)
    _traffic(findings, told, nodes, rooms)
    if options.output_dir is not None:
        _picture(story, options)
    life = int(options.scaled(ROOM_S, ROOM_S, 10))
    small = int(options.scaled(300, 300, 6))
    for choices in CHOICES:
        findings.progress(f"{small} nodes, {choices} of them drawn for each room")
        _compare(findings, f"{choices} drawn", Story(World(small, small * 100, choices)), 0.0, life)
    for load in LOADS:
        findings.progress(f"{small} nodes, {load:.0%} of the places taken")
        world = World(small, round(small * 100 * load / LOADS[0]), 2)
        _compare(findings, f"{load:.0%} of the places taken", Story(world), load, life)


def _story(story: Story, findings: Findings, options: Options, nodes: int) -> Counter[str]:
    """Failures of one node in a hundred and in twenty, a drain, new nodes; counts of calm times."""
    world, part = story.world, int(options.scaled(60, 60, 10))
    few, many = max(1, nodes // 100), max(2, nodes // 20)
    calm = story.live(part)
    _balance(findings, "nothing happens", story)
    for count, words in ((few, "1 % of nodes killed"), (many, "5 % of nodes killed")):
        alive = [number for number, is_alive in enumerate(world.nodes.alive) if is_alive]
        world.heal_s.clear()
        story.happens(words)
        world.kill(world.rng.sample(alive, count))
        counts = story.live(part)
        story.heal_s[words] = list(world.heal_s)
        findings.add(words, "rooms there again after", "s", **spread(world.heal_s))
        findings.add(words, "rooms", "rooms", taken_over=counts["rooms taken over"])
        findings.add(words, "people refused", "people", refused=counts["people refused"])
        _balance(findings, words, story)
    story.happens("1 % of nodes drained")
    alive = [number for number, is_alive in enumerate(world.nodes.alive) if is_alive]
    drained = world.rng.sample(alive, few)
    world.drain(drained)
    counts = story.live(5 * part)
    findings.add("1 % of nodes drained", "rooms", "rooms", moved=counts["rooms moved"])
    left = sum(len(world.nodes.rooms[number]) for number in drained)
    findings.add("1 % of nodes drained", "rooms left there", "rooms", left=left)
    story.happens("10 % of nodes added")
    story.added = world.add_nodes(max(1, nodes // 10))
    story.live(10 * part)
    even_s = next((at for at, share in story.newest if share >= 0.9), None)
    if even_s is not None:
        since_s = even_s - story.events["10 % of nodes added"]
        findings.add("10 % of nodes added", "until they are 90 % as full", "s", mean=since_s)
    _balance(findings, "10 % of nodes added", story)
    for name in ("rooms taken over", "rooms moved"):
        most = max(rate for _, rate in story.moves[name])
        findings.add("the whole story", f"{name}, in the busiest 5 s", "rooms a minute", most=most)
    return Counter({name: count // part for name, count in calm.items()})


def _balance(findings: Findings, case: str, story: Story) -> None:
    """How even it was lately."""
    last = story.fullest[-1][1], story.high[-1][1]
    findings.add(case, "fullest node, mean = 1", "ratio", mean=last[0])
    findings.add(case, "99th percentile of nodes, mean = 1", "ratio", mean=last[1])


def _traffic(findings: Findings, a_second: Counter[str], nodes: int, rooms: int) -> None:
    """What NATS is asked for in a calm second."""
    case = f"a second of {nodes} nodes, {rooms} rooms"
    known = {f"node-{number:05d}": "0" * 16 for number in range(8)}
    node = NodeRecord("node-00001", "0" * 16, 1_000_000, "https://node-00001.example", (), 480)
    renewal = len(encode_record(_with(node, known))) + HEADER_BYTES
    room = len(encode_record(RoomRecord("kitchen-12345", "node-00001", "0" * 16, 3)))
    room += HEADER_BYTES
    writes = a_second["record writes"] + rooms / REFRESH_S
    findings.add(case, "renewals of leases", "messages", a_second=a_second["renewals"])
    findings.add(case, "renewals of leases", "bytes", a_second=a_second["renewals"] * renewal)
    findings.add(case, "rooms: records written", "messages", a_second=writes)
    findings.add(case, "rooms: records written", "bytes", a_second=writes * room)
    findings.add(case, "rooms: records read", "messages", a_second=a_second["record reads"])
    for name, events, size in (
        ("all nodes watch all nodes", a_second["renewals"], renewal),
        ("all nodes watch all rooms", writes, room),
    ):
        findings.add(case, f"if {name}", "messages", a_second=events * nodes)
        findings.add(case, f"if {name}", "bytes", a_second=events * nodes * size)


def _with(record: NodeRecord, known: dict[str, str]) -> NodeRecord:
    return NodeRecord(
        record.node,
        record.incarnation,
        record.beat,
        record.public_url,
        record.labels,
        record.capacity,
        0.417,
        291,
        release="1.0.0",
        known=known,
    )


def _compare(findings: Findings, case: str, story: Story, load: float, seconds: int) -> None:
    """The time that a room lasts in the mean."""
    counts = story.live(seconds)
    _balance(findings, case, story)
    if load:
        came = counts["people came"] + counts["people refused"]
        share = 100 * counts["people refused"] / max(1, came)
        findings.add(case, "people refused", "%", share=share)
        asked = counts["rooms created"] + counts["found no node"]
        share = 100 * counts["found no node"] / max(1, asked)
        findings.add(case, "rooms refused", "%", share=share)


def _picture(story: Story, options: Options) -> None:
    assert options.output_dir is not None
    balance: dict[str, Series] = {
        "fullest node": story.fullest,
        "99th percentile": story.high,
        "added nodes": story.newest,
    }
    lines = {name: points for name, points in balance.items() if points}
    draw(lines, story.moves, story.heal_s, story.events, options.output_dir / "placement.png")
