"""A client of the gateway for scripts: it joins a room, talks, listens and reads (docs/client.md).

async with join("http://127.0.0.1:8080", room="home", name="Ana") as call:
    await call.say("What time is it?")
    async for line in call.captions():
        print(f"{line.name}: {line.text}")
"""

from .call import Call
from .conversation import Caption, Participant
from .errors import CallError, Lost, NoAssistant, Refused, SentAway, Unreachable
from .joining import join

__all__ = [
    "Call",
    "CallError",
    "Caption",
    "Lost",
    "NoAssistant",
    "Participant",
    "Refused",
    "SentAway",
    "Unreachable",
    "join",
]
