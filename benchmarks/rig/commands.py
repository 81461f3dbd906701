"""In a helper process: carries out the commands that ``HelperProcess`` gives."""

from __future__ import annotations

import asyncio
import json
import sys
import threading


async def serve(target: object) -> None:
    """Call ``target.do_COMMAND(**arguments)`` for each line until standard input ends."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[bytes | None] = asyncio.Queue()

    def read() -> None:
        for line in sys.stdin.buffer:
            loop.call_soon_threadsafe(lines.put_nowait, line)
        loop.call_soon_threadsafe(lines.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()
    while (line := await lines.get()) is not None:
        try:
            command, arguments = json.loads(line)
            reply = {"result": await getattr(target, f"do_{command}")(**arguments)}
        except Exception as error:  # The benchmark decides what it means.
            reply = {"failed": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()
