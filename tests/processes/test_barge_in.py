"""Speaking over the reply stops it at everybody."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import numpy as np
import pytest

from tests.support import audio
from tests.support.gateway import Gateway
from tests.support.plain_client import PlainClient, use_loopback

pytestmark = pytest.mark.processes


def end_of_reply_s(client: PlainClient, since_s: float) -> float:
    """When the last audible message came before the first pause after ``since_s``."""
    loud = [at for at, pcm in client.heard if np.abs(audio.from_pcm(pcm)).max() > 0.01]
    after = [at for at in loud if at >= since_s]
    for earlier, later in pairwise(after):
        if later - earlier > 0.25:
            return earlier
    return after[-1]


def test_speaking_over_the_reply_stops_it_at_every_browser() -> None:
    use_loopback()
    speech = audio.to_pcm(audio.read_wav(audio.SENTENCE))

    async def call(gateway: Gateway) -> dict[str, float]:
        ada, bob = (PlainClient(gateway.url, "talk", name) for name in ("Ada", "Bob"))
        await ada.join()
        await bob.join()
        await ada.until(
            lambda: any(m["upstream"] == "ready" for m in ada.of_type("state")), "not ready"
        )
        await ada.speak(speech[:48_000] + bytes(40_000))
        for client in (ada, bob):
            await client.until(lambda c=client: len(c.heard) > 40, "there is no reply")
        epoch = ada.of_type("welcome")[0]["epoch"]
        began_s = await bob.speak(speech[4_800:96_000])
        for client in (ada, bob):
            await client.until(lambda c=client: c.of_type("flush"), "there is no flush")
            assert client.of_type("flush")[0]["epoch"] == epoch + 1
        await asyncio.sleep(1)
        figures = {
            f"{name}_silent_after_ms": round(1000 * (end_of_reply_s(client, began_s) - began_s))
            for name, client in (("ada", ada), ("bob", bob))
        }
        figures["flush_after_ms"] = round(1000 * (ada.of_type("flush")[0]["at"] - began_s))
        await ada.close()
        await bob.close()
        return figures

    with Gateway(SIMULATOR__BRAIN="tone", SIMULATOR__TONE_MS=8000, OPENAI_LINK__GREET=0) as gateway:
        figures = asyncio.run(call(gateway))
    print(figures)
    assert max(figures.values()) < 2500
