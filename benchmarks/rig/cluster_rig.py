"""A cluster on one machine: nodes, NATS servers, one Realtime server, and people in rooms."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from openai_link.room.money import PriceTable
from openai_link.settings import OpenaiLinkSettings

from . import cluster_checks as checks
from .closing import Closing
from .cluster_node import ClusterNode
from .gateway_process import POLL_S, GatewayError, free_port
from .helper_process import HelperProcess
from .hosts import Hosts
from .nats_reading import followed, read_bucket
from .nats_servers import NatsServers

NODES = ("node-1", "node-2", "node-3")
SERVERS = ("nats-1", "nats-2", "nats-3")
UPSTREAM, PEOPLE = "upstream", "people"
API_KEY = "benchmark"
CLUSTER = "mixminus"
CALM_TIMEOUT_S = 90.0
ALL_LINES = 10_000


class ClusterRig(Closing):
    """``with ClusterRig() as rig: rig.join(seats)``."""

    def __init__(self, *, clustered: bool = True, **settings: str | int) -> None:
        """``settings``: of every node. ``clustered``: False: nodes that know nothing of others."""
        self._settings = settings
        self._clustered = clustered
        self.token = secrets.token_urlsafe(32)
        self.hosts = Hosts([*NODES, *SERVERS, UPSTREAM, PEOPLE])
        self.nodes: dict[str, ClusterNode] = {}
        self.rooms: list[str] = []
        self._started = ExitStack()

    def start(self) -> None:
        """Start everything but the people. Raises BenchmarkError."""
        self._started.enter_context(self.hosts)
        hosts = self.hosts
        self.nats = self._started.enter_context(NatsServers([hosts[name] for name in SERVERS]))
        address, port = hosts[UPSTREAM].address, free_port()
        self._upstream = HelperProcess(
            "benchmarks.rig.watched_upstream", address, str(port), prefix=hosts[UPSTREAM].prefix
        )
        self._started.callback(self._upstream.close)
        self._upstream.ask("start")
        url = f"http://{address}:{port}/v1"
        urls = self.nats.urls if self._clustered else []
        for name in NODES:
            node = ClusterNode(hosts[name], url, urls, self.token, **self._settings)
            self._started.callback(node.close)
            self.nodes[name] = node
        self.start_nodes()
        self.people = HelperProcess(
            "benchmarks.rig.cluster_people", hosts[PEOPLE].address, prefix=hosts[PEOPLE].prefix
        )
        self._started.callback(self.people.close)

    def close(self) -> None:
        """End everything, however it is."""
        self._started.close()

    def start_nodes(self) -> None:
        """Start those that do not run, and wait until all are ready. Raises GatewayError."""
        for node in self.nodes.values():
            if node.has_ended:
                node.launch()
        for node in self.nodes.values():
            node.wait_ready()

    def join(self, rooms: Sequence[str], people: int, hums: bool = False) -> None:
        """Let so many people come to each of these rooms. Raises HelperError."""
        seats = [(room, f"P{n}") for n in range(people) for room in rooms]
        ways = [node.url for node in self.nodes.values()]
        self.people.ask("join", seats=seats, ways=ways, token=self.token, hums=hums)
        self.rooms += [room for room in rooms if room not in self.rooms]

    # -- looking ----------------------------------------------------------------------------------

    def sessions(self) -> list[dict[str, Any]]:
        """What the Realtime server has noted of every session, with the room's name."""
        names = {_digest(room): room for room in self.rooms}
        books: list[dict[str, Any]] = self._upstream.ask("books")
        return [book | {"room": names.get(book["room"], book["room"])} for book in books]

    def owners(self) -> dict[str, str]:
        """Room → the node that owns it, by the cluster's own book. Raises NatsError."""
        if not self._clustered:
            told = self.people.ask("nodes")
            return {room: (nodes or [""])[0] for room, nodes in told.items()}
        records = read_bucket(self.nats.urls, f"{CLUSTER}_rooms").values()
        return {record["room"]: record["node"] for record in records if record}

    def owners_from_now_on(self) -> AbstractContextManager[list[dict[str, Any]]]:
        """What is written into that book until the end of the block: room, node, epoch; once more
        for each renewal. Raises NatsError."""
        return followed(self.nats.urls, f"{CLUSTER}_rooms")

    def money(self) -> dict[str, float]:
        """``cluster_checks.money``. Raises NatsError."""
        bucket = read_bucket(self.nats.urls, f"{CLUSTER}_money").values() if self._clustered else []
        rows = [row for node in self.nodes.values() for row in node.usage_rows()]
        table = PriceTable.of(OpenaiLinkSettings())
        return checks.money(self.sessions(), rows, sum(map(_dollars, bucket)), table.cost_usd)

    def kept(self) -> dict[str, checks.Lines]:
        """The conversations by room, as any node that runs tells them."""
        return {room: self._conversation(room) for room in self.rooms}

    def _conversation(self, room: str) -> checks.Lines:
        for node in self.nodes.values():
            path = f"/rooms/{room}/conversation?format=json&limit={ALL_LINES}"
            status, text = (0, "") if node.has_ended else node.get(path)
            if status == 200:
                return {
                    entry["item"]: _words(entry)
                    for entry in json.loads(text)["items"]
                    if entry.get("kind") == "message"
                }
        return {}

    # -- waiting ----------------------------------------------------------------------------------

    def wait_calm(self) -> None:
        """Until all is ready and everybody is there. Raises BenchmarkError."""
        self.nats.start()
        self.start_nodes()
        self.wait(self._everybody_is_there, "not everybody is there")

    def _everybody_is_there(self) -> bool:
        told: list[dict[str, Any]] = self.people.ask("story", since_ns=time.monotonic_ns())
        return all(one["lines"] and one["lines"][-1][1] for one in told)

    def wait(self, condition: Callable[[], bool], words: str) -> None:
        """Until it is true. Raises GatewayError."""
        deadline_s = time.monotonic() + CALM_TIMEOUT_S
        while not condition():
            if time.monotonic() > deadline_s:
                raise GatewayError(f"{words} within {CALM_TIMEOUT_S:g} s:\n{self.logs()}")
            time.sleep(POLL_S)

    def logs(self) -> str:
        """The last lines of all nodes."""
        return "\n".join(f"-- {name}\n{node.log()[-3_000:]}" for name, node in self.nodes.items())

    # -- faults -----------------------------------------------------------------------------------

    def busiest(self, owners: dict[str, str]) -> str:
        """The node that owns the most rooms."""
        held = list(owners.values())
        return max(NODES, key=held.count)

    def wall(self, some: Iterable[str], others: Iterable[str]) -> None:
        """Separate hosts."""
        self.hosts.wall(list(some), list(others))


def _digest(room: str) -> str:
    """As a room is named at the Realtime server."""
    return hmac.new(API_KEY.encode(), room.encode(), hashlib.sha256).hexdigest()


def _dollars(value: Any) -> float:
    if isinstance(value, dict):
        return float(value.get("usd", 0.0))
    return float(value or 0.0)


def _words(entry: dict[str, Any]) -> str | None:
    """Of a line; None: it was cut before its first word."""
    text = str(entry.get("text") or "")
    return None if not text and "heard_ms" in entry else text
