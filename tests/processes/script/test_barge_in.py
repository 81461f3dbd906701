"""Speaking over the reply stops it at everybody."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from tests.support import audio
from tests.support.gateway import Gateway
from tests.support.plain_client import PlainClient

pytestmark = pytest.mark.processes


def after_flush(client: PlainClient) -> list[float]:
    """When something audible came after the flush and before the next reply was thought of.

    One channel carries both, in order.
    """
    flushed_s = client.of_type("flush")[0]["at"]
    next_s = min(
        (m["at"] for m in client.of_type("state") if m["at"] > flushed_s and is_answering(m)),
        default=float("inf"),
    )
    loud = [at for at, pcm in client.heard if np.abs(audio.from_pcm(pcm)).max() > 0.01]
    return [at for at in loud if flushed_s < at < next_s]


def is_answering(state: dict[str, Any]) -> bool:
    return state["assistant"] in ("thinking", "speaking")


def test_speaking_over_the_reply_stops_it_at_every_browser(gateway: Gateway) -> None:
    speech = audio.to_pcm(audio.read_wav(audio.SENTENCE))

    async def call() -> dict[str, list[float]]:
        ada, bob = (PlainClient(gateway.url, "talk", name) for name in ("Ada", "Bob"))
        await ada.join()
        await bob.join()
        await ada.until(
            lambda: any(m["upstream"] == "ready" for m in ada.of_type("state")), "not ready"
        )
        ada.say(type="say", text="Tell me a long story.")  # Of 40 s: it does not end by itself.
        for client in (ada, bob):
            await client.until(lambda c=client: len(c.heard) > 40, "there is no reply")
        epoch = ada.of_type("welcome")[0]["epoch"]
        began_s = await bob.speak(speech[4_800:96_000])
        for client in (ada, bob):
            await client.until(lambda c=client: c.of_type("flush"), "there is no flush")
            assert client.of_type("flush")[0]["epoch"] == epoch + 1
        for client in (ada, bob):
            flushed_s = client.of_type("flush")[0]["at"]
            await client.until(
                lambda c=client, s=flushed_s: any(
                    m["at"] > s and is_answering(m) for m in c.of_type("state")
                ),
                "the next reply does not begin",
            )
        late = {"ada": after_flush(ada), "bob": after_flush(bob)}
        figures = {"flush_after_ms": round(1000 * (ada.of_type("flush")[0]["at"] - began_s))}
        print(figures)
        await ada.close()
        await bob.close()
        return late

    late = asyncio.run(call())
    assert late == {"ada": [], "bob": []}
