"""pictures.js: sizes, and what a caption says of a picture."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.page_unit.conftest import Run

pytestmark = pytest.mark.browser
MODULE = "state/pictures.js"


@pytest.mark.parametrize(
    ("size", "edge", "fits"),
    [
        ((4_000, 3_000), 1_024, (1_024, 768)),
        ((300, 200), 1_024, (300, 200)),
        ((3, 9_000), 1_024, (1, 1_024)),
        ((1_024, 1_024), 1_024, (1_024, 1_024)),
    ],
)
def test_a_picture_keeps_its_shape(
    run: Run, size: tuple[int, int], edge: int, fits: tuple[int, int]
) -> None:
    found = run(MODULE, "return m.fitted(a[0], a[1], a[2]);", [*size, edge])
    assert found == {"widthPx": fits[0], "heightPx": fits[1]}


def test_quality_goes_before_size_and_it_ends(run: Run) -> None:
    tried = run(MODULE, "return [...m.attempts(1024)];", [])
    assert run(MODULE, "return [...m.attempts(8)].length;", []) == 5, "small ones are tried, too"
    edges = [attempt["edgePx"] for attempt in tried]
    assert edges == sorted(edges, reverse=True) and edges[0] == 1_024 and len(tried) < 80
    assert [t["quality"] for t in tried[:5]] == sorted(t["quality"] for t in tried[:5])[::-1]


@pytest.mark.parametrize(
    ("message", "text", "thumbnail"),
    [
        (
            {"text": "[picture: JPEG, 9 × 9, 1 kB] Hello [x]", "thumbnail": "/9j/AA=="},
            "Hello [x]",
            1,
        ),
        ({"text": "[picture: PNG, 9 × 9, 1 kB]", "thumbnail": "iVBOR"}, "", 0),
        ({"text": "[picture: PNG, 9 × 9, 1 kB]", "thumbnail": '/9j/"><script>'}, "", 0),
        ({"text": "Hello"}, "Hello", 0),
    ],
)
def test_a_caption_with_a_picture(
    run: Run, message: dict[str, Any], text: str, thumbnail: int
) -> None:
    whole = {**message, "picture": {"width_px": 9, "height_px": 9}}
    found = run(MODULE, "return m.pictureOf(a[0]);", [whole])
    assert found["text"] == text and bool(found["picture"]["thumbnail"]) == bool(thumbnail)


def test_words_alone_stay_as_they_are(run: Run) -> None:
    said = {"text": "[picture: JPEG, 9 × 9, 1 kB] is what I typed"}
    assert run(MODULE, "return m.pictureOf(a[0]);", [said]) is None


@pytest.mark.parametrize("told", [None, {}, {"max_edge_px": 0, "max_bytes": 9}, {"max_bytes": "x"}])
def test_limits_that_say_nothing_mean_no_pictures(run: Run, told: Any) -> None:
    assert run(MODULE, "return m.pictureLimits(a[0]);", [told]) is None


def test_of_two_cameras_that_are_opened_at_once_the_last_one_stays(run: Run) -> None:
    result = run(
        "session/picture.js",
        """const media = navigator.mediaDevices, asked = media.getUserMedia, streams = [];
        media.getUserMedia = async () => {
          const track = { open: true, stop() { track.open = false; } };
          streams.push({ track, getTracks: () => [track] }); return streams.at(-1); };
        const video = { srcObject: null, play: async () => {} };
        const opened = await Promise.allSettled([m.openCamera(video), m.openCamera(video)]);
        const open = streams.map(({ track }) => track.open);
        const shown = streams.indexOf(video.srcObject); m.stop(video);
        media.getUserMedia = asked;
        return [opened.map(({ status }) => status), open, shown, streams[1].track.open];""",
    )
    assert result == [["rejected", "fulfilled"], [False, True], 1, False]


def test_a_camera_that_nobody_wants_any_more_does_not_close_the_one_that_is_open(run: Run) -> None:
    result = run(
        "session/picture.js",
        """const media = navigator.mediaDevices, asked = media.getUserMedia, answers = [];
        media.getUserMedia = () => new Promise((resolve) => answers.push(resolve));
        const stream = () => {
          const track = { open: true, stop() { track.open = false; } };
          return { track, getTracks: () => [track] }; };
        const video = { srcObject: null, play: async () => {} };
        const [late, used] = [stream(), stream()];
        const first = m.openCamera(video, () => false), second = m.openCamera(video);
        answers[1](used); await second;
        answers[0](late); const [{ status }] = await Promise.allSettled([first]);
        media.getUserMedia = asked;
        return [status, late.track.open, used.track.open, video.srcObject === used];""",
    )
    assert result == ["rejected", False, True, True]
