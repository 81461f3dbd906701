"""What is a picture, and what only looks like one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixer_core.bus.picture_file import MAX_SEGMENTS, PictureFile, read_picture
from mixer_core.runtime.errors import PictureError
from tests.support.pictures import jpeg, png, segment

FILL = b"\xff" * 40


@pytest.mark.parametrize("sof", [0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC9, 0xCF])
def test_a_jpeg_says_its_size_in_any_frame_header(sof: int) -> None:
    assert read_picture(jpeg(640, 480, sof=sof)) == PictureFile("jpeg", 640, 480)


def test_what_stands_before_the_frame_header_is_skipped() -> None:
    plain = jpeg(1024, 3)
    metadata = segment(0xE1, b"Exif\x00\x00" + b"\xff\xc0" * 400) + FILL + segment(0xFE, b"")
    tables = segment(0xC4, b"\x00" * 17) + segment(0xDB, b"\x00" * 65) + b"\xff\x01\xff\xd3"
    for before in (metadata, tables, metadata + tables):
        found = read_picture(plain[:2] + before + plain[2:])
        assert found == PictureFile("jpeg", 1024, 3)
        assert (found.media_type, found.long_edge_px) == ("image/jpeg", 1024)


def test_a_png_says_its_size() -> None:
    assert read_picture(png(7, 900)) == PictureFile("png", 7, 900)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "WebP"),
        (b"GIF89a\x01\x00\x01\x00", "GIF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"\xef\xbb\xbf \n<?xml version='1.0'?><svg/>", "SVG"),
        (b"<!DOCTYPE html><script>1</script>", "SVG"),
        (b"", "no picture"),
        (b"\xff\xd8", "no picture"),
        (b"BM" + bytes(60), "no picture"),
        (b"%PDF-1.7", "no picture"),
    ],
)
def test_other_formats_are_named(data: bytes, words: str) -> None:
    with pytest.raises(PictureError, match=words) as caught:
        read_picture(data)
    assert caught.value.is_format


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8\xff",
        jpeg()[:20],
        jpeg()[:-30][:26],
        b"\xff\xd8" + segment(0xE0, b"") * (MAX_SEGMENTS + 1) + jpeg()[2:],
        b"\xff\xd8" + segment(0xDA, b"") + jpeg()[2:],
        b"\xff\xd8\xff\xe0\x00\x01" + jpeg()[2:],
        b"\xff\xd8\xff\xc0\x00\x07" + bytes(9),
        jpeg(0, 5),
        jpeg(5, 0),
        png()[:-1],
        png()[:40],
        png(0, 5),
        b"\x89PNG\r\n\x1a\n" + bytes(60),
    ],
)
def test_damaged_pictures_are_refused(data: bytes) -> None:
    with pytest.raises(PictureError) as caught:
        read_picture(data)
    assert not caught.value.is_format


@given(st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"]))
def test_nothing_else_is_raised(data: bytes, start: bytes) -> None:
    try:
        found = read_picture(start + data)
    except PictureError:
        return
    assert found.width_px > 0 and found.height_px > 0
