"""Pictures from the page: file, camera and clipboard, made small, seen by everybody in the room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.support import joined, shows, until, watched
from tests.support.gateway import Gateway
from tests.support.pictures import jpeg, png
from tests.support.waiting import wait_until

pytestmark = pytest.mark.browser

LOOKING = "() => !document.getElementById('picture-form').hidden"
CLOSED = "() => !document.getElementById('picture').open"
THUMBNAILS = "() => document.querySelectorAll('.said img').length"
THUMBNAIL = """() => {
  const image = [...document.querySelectorAll('.said img')].at(-1);
  return image && image.complete ? [image.naturalWidth, image.naturalHeight, image.alt] : null;
}"""
NOISE = """([width, height]) => {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d');
  const image = context.createImageData(width, height);
  for (let at = 0; at < image.data.length; at += 1)
    image.data[at] = at % 4 === 3 ? 255 : Math.random() * 256;
  context.putImageData(image, 0, 0);
  return canvas.convertToBlob().then((blob) => new File([blob], 'noise.png', { type: blob.type }));
}"""
KEEP_SCREEN = """() => {
  const media = navigator.mediaDevices;
  const open = media.getDisplayMedia.bind(media);
  media.getDisplayMedia = async (wanted) => {
    window.seen = await open(wanted);
    return window.seen;
  };
}"""
DENY_SCREEN = """() => {
  navigator.mediaDevices.getDisplayMedia = async () => {
    throw new DOMException('denied', 'NotAllowedError');
  };
}"""
BLIND = """async (message) => {
  window.mixminus.receive(message);
  await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
  const button = document.getElementById('open-picture');
  return [button.disabled, button.title];
}"""
PASTE = f"""async (size) => {{
  const clipboardData = new DataTransfer();
  clipboardData.items.add(await ({NOISE})(size));
  const event = new ClipboardEvent('paste', {{ clipboardData, bubbles: true, cancelable: true }});
  document.body.dispatchEvent(event);
}}"""


def file(data: bytes, name: str = "picture.png") -> dict[str, Any]:
    return {"name": name, "mimeType": "image/png", "buffer": data}


def test_a_picture_is_made_small_shown_and_answered(
    gateway: Gateway, open_browser: Callable[..., Any]
) -> None:
    browser = open_browser(None)
    ada = joined(gateway, browser, "room=look&name=Ada&talk=hold")
    ben = joined(gateway, browser, "room=look&name=Ben&talk=hold")
    troubles = watched(ada) + watched(ben)
    ada.locator("#say").fill("What is this?")
    ada.locator("#open-picture").click()
    ada.locator("#picture-file").set_input_files(file(png(3_000, 1_500)))
    until(ada, LOOKING, "the picture is not shown")
    assert ada.locator("#picture-text").input_value() == "What is this?"
    ada.locator("#picture-send").click()
    until(ada, CLOSED, "the dialog stays open")
    assert ada.locator("#say").input_value() == ""
    for page in (ada, ben):
        shows(page, "You showed me a JPEG of 1024 × 512 pixels")
        until(page, THUMBNAIL, "no thumbnail")
        assert page.evaluate(THUMBNAIL) == [160, 80, "Picture shown by Ada"]
        shows(page, "What is this?")
    # From the clipboard; noise has many bytes at any quality.
    ben.evaluate(PASTE, [900, 1_400])
    until(ben, LOOKING, "the picture is not shown")
    ben.locator("#picture-send").click()
    until(ada, f"() => ({THUMBNAILS})() === 2", "the second is not shown")
    width, height, words = ada.evaluate(THUMBNAIL)
    assert height <= 160 and width < height and words == "Picture shown by Ben"
    assert not troubles


def test_what_is_no_picture_is_said_so_and_another_can_be_chosen(
    gateway: Gateway, open_browser: Callable[..., Any]
) -> None:
    page = joined(gateway, open_browser(None), "room=none&name=Ada&talk=hold")
    page.locator("#open-picture").click()
    for broken in (b"hello", jpeg(200, 100, 900), png()[:30], b""):
        page.locator("#picture-file").set_input_files(file(broken))
        trouble = page.locator("#picture-trouble")
        trouble.wait_for(state="visible")
        assert "cannot read" in trouble.inner_text()
        page.locator("#close-picture").click()
        page.locator("#open-picture").click()
        assert not trouble.is_visible()
    page.locator("#picture-file").set_input_files(file(png(30, 20)))
    until(page, LOOKING, "a good one is not shown")


def test_the_camera_is_open_only_until_the_picture_is_taken(
    gateway: Gateway, open_browser: Callable[..., Any]
) -> None:
    page = joined(gateway, open_browser(None), "room=camera&name=Ada&talk=hold")
    page.locator("#open-picture").click()
    page.locator("#picture-from-camera").click()
    page.evaluate("() => { window.seen = document.getElementById('picture-video').srcObject; }")
    until(page, "() => document.getElementById('picture-video').videoWidth > 0", "no camera")
    stream = "document.getElementById('picture-video').srcObject"
    page.evaluate(f"() => {{ window.seen = {stream}; }}")
    page.locator("#picture-take").click()
    until(page, LOOKING, "the picture is not shown")
    ended = "() => window.seen.getTracks().every((track) => track.readyState === 'ended')"
    assert page.evaluate(ended)
    page.locator("#picture-send").click()
    shows(page, "You showed me a JPEG of")
    # Closing the dialog closes the camera, too.
    page.locator("#open-picture").click()
    page.locator("#picture-from-camera").click()
    until(page, "() => document.getElementById('picture-video').videoWidth > 0", "no camera")
    page.evaluate(f"() => {{ window.seen = {stream}; }}")
    page.locator("#close-picture").click()
    until(page, ended, "the camera stays open")


def test_a_screen_is_shared_for_one_frame_only(
    gateway: Gateway, open_browser: Callable[..., Any]
) -> None:
    page = joined(gateway, open_browser(None), "room=screen&name=Ada&talk=hold")
    page.evaluate(KEEP_SCREEN)
    page.locator("#open-picture").click()
    page.locator("#picture-from-screen").click()
    until(page, LOOKING, "the picture is not shown")
    ended = "() => window.seen.getTracks().every((track) => track.readyState === 'ended')"
    assert page.evaluate(ended)
    page.locator("#picture-send").click()
    shows(page, "You showed me a JPEG of")
    # Who changes their mind is told, and may choose something else.
    page.evaluate(DENY_SCREEN)
    page.locator("#open-picture").click()
    page.locator("#picture-from-screen").click()
    trouble = page.locator("#picture-trouble")
    trouble.wait_for(state="visible")
    assert "did not allow it" in trouble.inner_text()
    assert page.locator("#picture-from-file").is_visible()


def test_the_gateways_refusal_is_shown_where_the_picture_is(
    gateway: Gateway, open_browser: Callable[..., Any]
) -> None:
    page = joined(gateway, open_browser(None), "room=refused&name=Ada&talk=hold")
    page.route(
        "**/pictures",
        lambda route: route.fulfill(
            status=429,
            content_type="application/problem+json",
            body='{"title": "Too many pictures", "detail": "you showed many pictures: wait 9 s"}',
        ),
    )
    page.locator("#open-picture").click()
    page.locator("#picture-file").set_input_files(file(png(30, 20)))
    until(page, LOOKING, "the picture is not shown")
    page.locator("#picture-send").click()
    trouble = page.locator("#picture-trouble")
    trouble.wait_for(state="visible")
    assert trouble.inner_text() == "You showed many pictures: wait 9 s."
    assert page.locator("#picture").is_visible(), "nothing is lost: it can be sent again"


def test_the_button_goes_where_the_model_takes_none(
    gateway: Gateway, open_browser: Callable[..., Any]
) -> None:
    page = joined(gateway, open_browser(None), "room=blind&name=Ada&talk=hold")
    button = page.locator("#open-picture")
    assert button.is_enabled()
    state = {"type": "state", "upstream": "ready", "assistant": "idle", "images": False}
    blind = [True, "The assistant's model takes no pictures"]
    wait_until(  # The gateway's own state may come in between.
        lambda: page.evaluate(BLIND, state) == blind, "the button does not tell"
    )
    listener = {"type": "welcome", "role": "listen", "images": {"max_edge_px": 9, "max_bytes": 9}}
    page.evaluate("(message) => window.mixminus.receive(message)", listener)
    until(page, "() => document.getElementById('open-picture').hidden", "a listener sees it")
