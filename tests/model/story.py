"""One run of the model: a seed makes people, faults and weather; then all must heal."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mixer_core.rooms import Room
from mixer_core.runtime.room_rules import Rooms
from mixer_core.runtime.units import S_NS
from signaling.registry.actions import ChangeRoom, RoomView

from .house import LINKS, WORKERS, House, house

HEALS_MS = 45_000
"""Longest time from the last fault until everybody is heard and answered again: the longest wait
between two attempts (30 s), and what an attempt and an answer take."""
EMPTY_MS = 40_000
"""Longest time from the last person to a house without a session."""
PROGRAMS = ("mixer", "signaling", WORKERS, LINKS, "upstream")


@dataclass
class Verdict:
    """What a run came to."""

    seed: int
    faults: list[str] = field(default_factory=list)
    states: int = 0
    frames: int = 0
    deaths: int = 0
    healed_ms: int = 0
    """Virtual time from the last fault until everybody was answered."""
    log: list[str] = field(default_factory=list)
    """What was done, and when."""


class Story:
    """Makes trouble by a seed."""

    def __init__(self, made: House, seed: int) -> None:
        self.house = made
        self.random = random.Random(f"story {seed}")
        self.verdict = Verdict(seed)

    def tell(self, words: str) -> None:
        self.verdict.log.append(f"{self.house.elapsed_ns / S_NS:8.3f} {words}")

    def hold(self) -> Verdict:
        """The whole of it."""
        made, source = self.house, self.random
        made.begin(source.choice((1, 2, 2, 3)), source.choice((1, 1, 2)))
        made.run(6_000)
        self._weather()
        for _ in range(source.randrange(2, 9)):
            made.run(source.choice((30, 300, 800, 2_000, 5_000)))
            for _ in range(source.choice((1, 1, 1, 2, 3))):
                self._trouble()
                made.run(source.choice((0, 1, 20, 150)))
        self._calm()
        self._heals()
        self._money()
        self._agrees()
        self._empties()
        verdict, watch = self.verdict, made.watch
        verdict.faults += watch.faults
        verdict.states, verdict.frames = len(watch.states), watch.frames
        return verdict

    # -- trouble ----------------------------------------------------------------------------------

    def _weather(self) -> None:
        source, wire = self.random, self.house.wire
        for weather in (wire.audio_weather, wire.control_weather):
            weather.loss = source.choice((0.0, 0.0, 0.02, 0.2))
            weather.double = source.choice((0.0, 0.0, 0.02, 0.2))
            weather.late = source.choice((0.0, 0.0, 0.05))
        self.house.datagram_loss = source.choice((0.0, 0.02))
        self.tell(f"weather {wire.audio_weather} {wire.control_weather}")

    def _trouble(self) -> None:
        doings: tuple[Callable[[], None], ...] = (
            *(self._kill, self._kill, self._kill, self._kill_child, self._kill_child),
            *(self._freeze, self._network, self._reload, self._come_and_go, self._talk),
            *(self._talk, self._type, self._type, self._interrupt, self._kill_both),
            *(self._move, self._decide, self._settings),
        )
        self.random.choice(doings)()

    def _kill(self) -> None:
        self._end(self.random.choice(PROGRAMS))

    def _kill_both(self) -> None:
        """A host and one of its children, as an OOM killer does."""
        name = self.random.choice((WORKERS, LINKS))
        self._kill_child()
        if self.random.random() < 0.5:
            self._end(name)
            return
        host = self.house.hosts.get(name)
        if host is not None and host.process.is_alive:
            self.tell(f"kill the fork server of {name}")
            self.verdict.deaths += 1
            host.kill_server()

    def _end(self, name: str) -> None:
        process = self.house.programs[name]
        if process.is_alive:
            self.tell(f"kill {name}")
            self.verdict.deaths += 1
            process.kill()

    def _kill_child(self) -> None:
        children = list(self.house.children.values())
        busy = [child for child in children if not child.is_idle]
        if children:
            child = self.random.choice(busy or children)
            self.tell(f"kill {child.identity} {child.status}")
            self.verdict.deaths += 1
            child.process.kill()

    def _freeze(self) -> None:
        processes = [*self.house.programs.values()]
        processes += [child.process for child in self.house.children.values()]
        process = self.random.choice([p for p in processes if p.is_alive])
        ms = self.random.choice((50, 300, 1_500, 4_000))
        process.thaw_ns = max(process.thaw_ns, self.house.loop.now_ns + ms * 1_000_000)
        self.tell(f"freeze {process.name} for {ms} ms")

    def _page(self) -> Any:
        return self.random.choice(list(self.house.pages.values()))

    def _network(self) -> None:
        page, ms = self._page(), self.random.choice((200, 1_000, 2_800, 6_000))
        page.is_cut_off = True
        self.house.after(ms, setattr, page, "is_cut_off", False)
        self.tell(f"no network for page {page.number} for {ms} ms")

    def _reload(self) -> None:
        page = self._page()
        self.tell(f"page {page.number} reloads")
        page.reload()

    def _come_and_go(self) -> None:
        page = self._page()
        self.tell(f"page {page.number} {'leaves' if page.is_wanted else 'comes'}")
        page.leave(self.random.random() < 0.7) if page.is_wanted else page.join()

    def _talk(self) -> None:
        self._page().talk(self.random.choice((400, 900, 2_500)))

    def _type(self) -> None:
        page = self._page()
        page.say(type="say", text=self.random.choice(("Good morning.", "Tell me a story.")))

    def _interrupt(self) -> None:
        self._page().say(type="interrupt")

    def _move(self) -> None:
        page, place = self._page(), self.random.choice(("", "kitchen", "hall"))
        self.tell(f"page {page.number} is in {place or 'a place of its own'}")
        page.move(place)

    def _decide(self) -> None:
        """An admin changes a room."""
        room, mode = self._page().room, self.random.choice((None, "assistant", "conference"))
        rules = {"address": self.random.choice(("", "always", "push_to_talk"))}
        self.tell(f"an admin wants {mode}, {rules} in {room}")
        self.house.post(lambda n: ChangeRoom(n, room, mode, rules), None)

    def _settings(self) -> None:
        """Somebody edits the settings file, and reloads."""
        said = {"persona": f"Persona {self.random.randrange(100)}"}
        if mode := self.random.choice(("", "assistant", "conference")):
            said["mode"] = mode
        self.tell(f"the rooms' settings are {said}")
        self.house.reload(Rooms(_others=said))

    # -- what must hold in the end ----------------------------------------------------------------

    def _calm(self) -> None:
        made = self.house
        made.wire.audio_weather.clear()
        made.wire.control_weather.clear()
        made.datagram_loss = 0.0
        for page in made.pages.values():
            page.is_cut_off = False
            page.join()
        self.tell("calm")

    def _heals(self) -> None:
        """Everybody says something, and everybody hears the answer."""
        made = self.house
        begun_ns = made.loop.now_ns
        waiting, asked = dict(made.pages), dict.fromkeys(made.pages, 0)
        while waiting and (made.loop.now_ns - begun_ns) // 1_000_000 < HEALS_MS:
            for number, page in list(waiting.items()):
                if not page.is_open or page.state.get("upstream") != "ready":
                    asked[number] = 0
                elif not asked[number]:
                    asked[number] = made.loop.now_ns
                    page.captions.clear()
                    page.played = 0
                    page.say(type="say", text=f"Question of {number}.")
                elif page.answered_after(f"Question of {number}") and page.played > 5:
                    del waiting[number]
                elif made.loop.now_ns - asked[number] > 12 * S_NS:
                    asked[number] = 0
            made.run(500)
        self.verdict.healed_ms = (made.loop.now_ns - begun_ns) // 1_000_000
        for number, page in waiting.items():
            made.watch.fault(
                f"page {number} is not answered: open {page.is_open}, {page.state}, "
                f"{page.told[-3:]}"
            )

    def _money(self) -> None:
        for key, count in self.house.disk.usage.items():
            if count > 1:
                self.house.watch.fault(f"{key} is counted {count} times")

    def _agrees(self) -> None:
        """The registry, the mixer, every page and the links know the same people."""
        made = self.house
        made.run(5_000)
        rooms = {room.room: room for room in made.gateway.rooms()} if made.gateway else {}
        for name in {page.room for page in made.pages.values()}:
            pages = {page.participant for page in made.pages.values() if page.room == name}
            known = {p.participant for p in rooms[name].participants} if name in rooms else set()
            mixed = made.mixer._rooms.get(name) if made.mixer else None
            heard = {s.info.participant for s in mixed.browsers} if mixed else set()
            if not (pages == known == heard):
                made.watch.fault(f"{name}: pages {pages}, signaling {known}, mixer {heard}")
            for page in made.pages.values():
                if page.room == name and page.people != pages:
                    made.watch.fault(f"page {page.number} sees {set(page.people)} of {pages}")
            if mixed and name in rooms:
                self._agree_on_rules(rooms[name], mixed)
            links = made.links_of(name)
            if len(links) != 1 or (mixed and len(mixed.links) != 1):
                made.watch.fault(f"{name} has {len(links)} links")

    def _agree_on_rules(self, room: RoomView, mixed: Room) -> None:
        """So they know its mode, its address rule, its persona, and who is in which place."""
        made = self.house
        persona = made.rooms.rules(room.room).persona
        asked = room.rules.address or "always"
        pages = [page for page in made.pages.values() if page.room == room.room]
        known = {
            "mode": {room.mode, mixed.mode, *(page.mode for page in pages)},
            "address": {asked, mixed.address or "always", *(p.state["address"] for p in pages)},
            "persona": {persona, *(page.state["persona"] for page in pages)},
        }
        for what, found in known.items():
            if len(found) > 1:
                made.watch.fault(f"{room.room}: of the {what} they know {sorted(found)}")
        places = {page.participant: page.place for page in pages if page.place}
        for page in pages:
            if {who: place for who, (place, _) in page.places.items()} != places:
                made.watch.fault(f"page {page.number} sees {page.places}, not {places}")
            playing = sorted(place for place, plays in page.places.values() if plays)
            if playing != sorted(set(places.values())):
                made.watch.fault(f"page {page.number} sees sound in {playing} of {places}")

    def _empties(self) -> None:
        """They all go, and nothing is left."""
        made = self.house
        for page in made.pages.values():
            page.leave()
        made.run(EMPTY_MS)
        busy = [child.identity for child in made.children.values() if not child.is_idle]
        if busy:
            made.watch.fault(f"left over: {busy}")
        if made.mixer is not None and made.mixer._streams:
            made.watch.fault(f"the mixer still has {len(made.mixer._streams)} streams")
        if made.gateway is not None and made.gateway.rooms():
            made.watch.fault("signaling still has a room")


def verdict(seed: int) -> Verdict:
    """Hold the run of a seed."""
    with house(seed) as made:
        return Story(made, seed).hold()
