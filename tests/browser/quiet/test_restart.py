"""A gateway that is stopped and started again: its page is told, and joins again by itself."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser.support import joined, shows, until
from tests.support.gateway import Gateway
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.browser

DRAIN_S = 2
READY = """() => {
  const { phase, upstream } = window.mixminus.state();
  return phase === 'connected' && upstream === 'ready';
}"""


@pytest.fixture
def drained() -> Iterator[Gateway]:
    gateway = Gateway(RUNTIME__DRAIN_S=DRAIN_S, OPENAI_LINK__GREET=0, SIMULATOR__THINK_MS=0)
    try:
        gateway.start()
        yield gateway
    finally:
        gateway.close()


def test_a_page_is_told_of_a_stop_and_joins_again_when_the_gateway_is_back(
    drained: Gateway, open_browser: Callable[..., Any], record_property: Callable[..., None]
) -> None:
    page = joined(drained, open_browser(None), "room=home&name=Ada&talk=hold")
    assert drained.process is not None
    drained.process.send_signal(signal.SIGTERM)
    until(page, "() => /stops or restarts it/.test(document.body.innerText)", "nobody is told")
    drained.process.wait(PATIENCE_S)
    ended_s = time.monotonic()
    until(page, "() => window.mixminus.state().phase !== 'connected'", "it does not notice")
    drained.start(wait=False)
    until(page, READY, "it does not come back")
    back_s = time.monotonic()
    page.get_by_placeholder("Type instead").fill("Are you there again?")
    page.keyboard.press("Enter")
    shows(page, "Are you there again?")
    told = "() => !/stops or restarts it/.test(document.body.innerText)"
    until(page, told, "the notice of the stop stays")
    assert page.evaluate("() => window.mixminus.state().name") == "Ada"
    figures = {"joined_again_s": round(back_s - ended_s, 2)}
    record_property("figures", figures)
    print(figures)
