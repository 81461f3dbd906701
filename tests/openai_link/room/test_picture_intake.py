"""Pictures in pieces: whole ones pass, everything else ends in an answer, and nothing grows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer_core.bus.control import MAX_PIECE_BYTES, PictureAnswer, PicturePiece
from openai_link.pictures import Picture
from openai_link.room.picture_intake import MAX_UNFINISHED, PictureIntake
from tests.support.pictures import jpeg

MOST = 200_000
DATA = jpeg(640, 480, 150_000)


def pieces(upload: str = "u", data: bytes = DATA) -> list[PicturePiece]:
    cuts = range(0, len(data), MAX_PIECE_BYTES)
    return [
        PicturePiece(upload, "p-1", i, len(cuts), data[at : at + MAX_PIECE_BYTES], "Ada", 7, "Look")
        for i, at in enumerate(cuts)
    ]


def test_pieces_become_a_picture() -> None:
    intake = PictureIntake(MOST)
    *before, last = pieces()
    assert [intake.piece(piece) for piece in before] == [[], []]
    (picture,) = intake.piece(last)
    assert isinstance(picture, Picture) and picture.data == DATA
    assert (picture.participant, picture.name, picture.stream) == ("p-1", "Ada", 7)
    assert picture.text == "Look" and picture.file.width_px == 640


def test_two_at_once_do_not_mix() -> None:
    intake, other = PictureIntake(MOST), jpeg(10, 10, 150_000)
    found = []
    for one, two in zip(pieces("a"), pieces("b", other), strict=True):
        found += intake.piece(one) + intake.piece(two)
    assert [p.data for p in found if isinstance(p, Picture)] == [DATA, other]


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (pieces()[1:2], 503),
        ([pieces()[0], pieces()[2]], 503),
        ([pieces()[0], pieces()[0]], 503),
        ([pieces()[0], replace(pieces()[1], pieces=9)], 503),
        (pieces(data=jpeg(10, 10, MOST + 1)), 413),
        ([replace(pieces()[0], data=bytes(MAX_PIECE_BYTES + 1))], 413),
        (pieces(data=b"<svg/>"), 415),
        (pieces(data=DATA[:20]), 415),
    ],
)
def test_what_is_no_whole_picture_is_answered_once(given: list[PicturePiece], status: int) -> None:
    intake = PictureIntake(MOST)
    answers = [answer for piece in given for answer in intake.piece(piece)]
    assert isinstance(answers[0], PictureAnswer) and answers[0].status == status
    assert intake.piece(pieces("v", jpeg())[0]) != []


def test_pictures_that_never_end_make_room() -> None:
    intake = PictureIntake(MOST)
    answers = [a for n in range(MAX_UNFINISHED + 2) for a in intake.piece(pieces(f"u{n}")[0])]
    assert [a.upload for a in answers if isinstance(a, PictureAnswer)] == ["u0", "u1"]


def test_one_that_was_given_up_costs_no_other() -> None:
    intake = PictureIntake(MOST)
    names = [f"u{n}" for n in range(MAX_UNFINISHED + 1)]
    found = [a for index in range(3) for n in names for a in intake.piece(pieces(n)[index])]
    assert len([picture for picture in found if isinstance(picture, Picture)]) == MAX_UNFINISHED
    assert {a.upload for a in found if isinstance(a, PictureAnswer)} == {"u0"}


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 2)), max_size=40))
def test_any_order_keeps_the_bounds(order: list[tuple[str, int]]) -> None:
    intake = PictureIntake(MOST)
    for upload, index in order:
        for found in intake.piece(pieces(upload)[index]):
            assert isinstance(found, PictureAnswer) or found.data == DATA
        unfinished = intake._unfinished.values()
        assert len(unfinished) <= MAX_UNFINISHED
        assert all(len(known.data) <= MOST for known in unfinished)
