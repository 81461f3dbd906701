"""A mixer that goes on where another one ended: what is announced is all it knows. Sans-I/O."""

from __future__ import annotations

import itertools

import pytest

from mixer_core.bus.events import encode_map
from mixer_core.bus.frames import U32, Frame, Kind
from mixer_core.mixer import Mixer
from mixer_core.rehearsal import FRAMES, rehearse
from mixer_core.rooms import MOST_RECENT
from mixer_core.runtime.units import MS_NS
from mixer_core.settings import MixerCoreSettings
from tests.mixer_core.mixer_bench import Bench, audio_in, constant

ANN, BEN, LINK = 11, 12, 99
SETTLE_MS = 500
ORDERS = list(itertools.permutations((ANN, BEN, LINK)))


class House:
    """Ann, Ben and their assistant with one mixer, then with the next one."""

    def __init__(self) -> None:
        self.epochs = {ANN: 7, BEN: 7, LINK: 7}
        self.muted = {ANN: False, BEN: True}
        self.expected = {ANN: 40, BEN: 41}
        self.bench = Bench()
        self.bench.mixer.begin(self.bench.now_ns + SETTLE_MS * MS_NS)

    def announce(self, stream: int) -> None:
        """A START as it is sent when the sockets are there again."""
        role = "link" if stream == LINK else "browser"
        self.bench.start(
            stream,
            "link" if role == "link" else "browser",
            muted=self.muted.get(stream, False),
            epoch=self.epochs[stream],
            seq=self.expected.get(stream, 0),
        )


def names(event: dict[str, object]) -> list[object]:
    people = event["participants"]
    assert isinstance(people, list)
    return [(person["participant"], person["muted"]) for person in people]


@pytest.mark.parametrize("order", ORDERS)
def test_nobody_seems_to_leave_while_streams_announce_themselves(order: tuple[int, ...]) -> None:
    house = House()
    for stream in order:
        house.announce(stream)
        house.bench.advance(30)
    assert house.bench.events_to(LINK, "participants") == []
    house.bench.advance(SETTLE_MS)
    for stream in (ANN, BEN, LINK):
        (roster,) = house.bench.events_to(stream, "participants")
        assert sorted(names(roster)) == [("p-11", False), ("p-12", True)]
    house.bench.start(ANN, muted=True, epoch=7)  # From now on every change is told at once.
    assert len(house.bench.events_to(LINK, "participants")) == 2


def test_who_does_not_come_back_is_told_to_have_left() -> None:
    house = House()
    house.announce(ANN)
    house.announce(LINK)
    house.bench.advance(SETTLE_MS)
    (roster,) = house.bench.events_to(LINK, "participants")
    assert names(roster) == [("p-11", False)]


def test_an_empty_house_does_not_wake_the_mixer() -> None:
    assert House().bench.mixer.next_timeout_ns() is None


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("behind", [ANN, BEN, LINK])
def test_no_epoch_goes_back_and_old_speech_is_not_played(
    order: tuple[int, ...], behind: int
) -> None:
    house = House()
    house.epochs[behind] = 6  # The last FLUSH was lost with the old mixer.
    for stream in order:
        house.announce(stream)
    assert house.bench.heard_by(ANN) == []
    house.bench.audio(LINK, constant(5), epoch=6)
    assert house.bench.heard_by(ANN) == []
    house.bench.audio(LINK, constant(5), epoch=7)
    (frame,) = house.bench.heard_by(ANN)
    assert frame.epoch == 7
    last = [f for f in house.bench.published if f.stream == behind and f.kind is Kind.START][-1]
    assert last.epoch == 7 or order[-1] != behind


def test_listeners_go_on_counting_where_they_were() -> None:
    house = House()
    house.expected[ANN] = U32
    for stream in (LINK, ANN, BEN):
        house.announce(stream)
    for _ in range(3):
        house.bench.audio(LINK, constant(5), epoch=7)
        house.bench.advance(20)
    assert [frame.seq for frame in house.bench.heard_by(ANN)] == [U32, 0, 1]
    assert [frame.seq for frame in house.bench.heard_by(BEN)] == [41, 42, 43]


def test_a_talker_in_mid_sentence_is_heard_from_the_first_frame_and_a_muted_one_is_not() -> None:
    house = House()
    for stream in (LINK, ANN, BEN):
        house.announce(stream)
    (frame,) = audio_in(house.bench.audio(ANN, constant(9), epoch=7, seq=70_000))
    assert (frame.stream, frame.payload) == (LINK, constant(9))
    assert audio_in(house.bench.audio(BEN, constant(9), epoch=7, seq=3)) == []


def test_later_announcements_do_not_move_the_count() -> None:
    house = House()
    for stream in (LINK, ANN):
        house.announce(stream)
    house.bench.audio(LINK, constant(5), epoch=7)
    house.expected[ANN] = 1_000
    house.announce(ANN)
    house.bench.advance(20)
    house.bench.audio(LINK, constant(5), epoch=7)
    assert [frame.seq for frame in house.bench.heard_by(ANN)] == [40, 41]


def test_a_rehearsal_mixes_for_all_and_leaves_nothing() -> None:
    settings = MixerCoreSettings()
    assert rehearse(settings) >= 3 * FRAMES
    assert Mixer(settings, Bench().metrics).next_timeout_ns() is None


def say(bench: Bench, stream: int, text: str, addressee: int = 0) -> None:
    payload = encode_map({"type": "said", "text": text})
    bench.put(Frame(Kind.EVENT, stream, 7, flags=addressee, payload=payload))


def said_to(bench: Bench, stream: int) -> list[object]:
    return [event["text"] for event in bench.events_to(stream, "said")]


@pytest.mark.parametrize("order", ORDERS)
def test_what_is_said_while_streams_announce_themselves_is_told_once_to_everybody(
    order: tuple[int, ...],
) -> None:
    house = House()
    for stream in order:
        house.announce(stream)
        if stream == LINK:
            say(house.bench, LINK, "to all")
            say(house.bench, LINK, "to Ben", BEN)
        else:
            say(house.bench, stream, f"from {stream}")
    for _ in range(3):
        house.bench.advance(SETTLE_MS)
        for stream in order:
            house.announce(stream)
    assert sorted(map(str, said_to(house.bench, LINK))) == [f"from {ANN}", f"from {BEN}"]
    assert said_to(house.bench, ANN) == ["to all"]
    assert said_to(house.bench, BEN) == ["to all", "to Ben"]


def test_who_comes_later_is_not_told_what_was_said_before() -> None:
    house = House()
    for stream in (LINK, ANN):
        house.announce(stream)
        say(house.bench, stream, "early")
    house.bench.advance(SETTLE_MS)
    house.announce(BEN)
    assert said_to(house.bench, BEN) == []


def test_a_flood_in_the_first_moments_is_remembered_in_part_only() -> None:
    house = House()
    house.announce(ANN)
    for number in range(10 * MOST_RECENT):
        say(house.bench, ANN, str(number))
    house.announce(LINK)
    assert said_to(house.bench, LINK) == [str(number) for number in range(MOST_RECENT)]
