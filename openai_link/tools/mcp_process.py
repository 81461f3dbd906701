"""A tool server on its standard input and output, as streams of the package ``mcp``.

The server runs on a leash (``leash``), which ends it and what it started. Nothing that it does can
grow this process or its log, or keep it alive: a line has a greatest length, lines come at a rate,
what it writes to its error output is logged so many lines a minute, and the end is waited for only
so long.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from logging import LoggerAdapter
from pathlib import Path
from typing import Any

from mixer_core.runtime.errors import ToolDefinitionError, UnreadableError
from mixer_core.runtime.foreign_data import read_json
from mixer_core.runtime.foreign_text import one_line
from mixer_core.runtime.repeated import Repeated
from mixer_core.runtime.token_bucket import TokenBucket
from mixer_core.runtime.units import S_NS

LEASH = Path(__file__).with_name("leash.py")
MAX_LINE_BYTES = 4 << 20
"""Longest message of a server; a longer one ends the connection."""
MAX_ERROR_BYTES = 16_384
"""Longest line of its error output that is read at once."""
LINES_PER_S, LINES_AT_ONCE = 200, 2_000
"""Lines that are read; a server that writes faster has to wait."""
ERROR_LINES = 20
"""Lines of its error output that are logged in a minute."""
LEAVE_S = 0.5
"""Time for a server to end by itself, once its input is closed."""
ENDED_S = 4.0
"""Longest time in which the leash must have ended it."""
_INHERITED = ("HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "USER")


@asynccontextmanager
async def server_process(
    name: str, command: Sequence[str], more: Mapping[str, str], log: LoggerAdapter[Any]
) -> AsyncIterator[tuple[Any, Any]]:
    """Start a server; yields its streams.

    Args:
        name: of the server, for the log.
        command: program and arguments.
        more: environment beside the few variables that every program needs.
        log: of the room.

    Raises:
        ToolDefinitionError: there is no such program.
    """
    import anyio

    env = {key: os.environ[key] for key in _INHERITED if key in os.environ} | dict(more)
    if shutil.which(command[0], path=env.get("PATH")) is None:
        raise ToolDefinitionError(f"the program {one_line(command[0])} is not there")
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.subprocess_exec(
        lambda: asyncio.subprocess.SubprocessStreamProtocol(MAX_LINE_BYTES, loop),
        *(sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), *command),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=env,
        start_new_session=True,
    )
    process = asyncio.subprocess.Process(transport, protocol, loop)
    to_client, from_server = anyio.create_memory_object_stream[Any](0)
    to_server, from_client = anyio.create_memory_object_stream[Any](0)
    pipes = _Pipes(name, process, log)
    tasks = [
        asyncio.create_task(work, name=f"mcp {name}: {what}")
        for what, work in (
            ("output", pipes.read(to_client)),
            ("input", pipes.write(from_client, to_client)),
            ("errors", pipes.read_errors()),
        )
    ]
    try:
        yield from_server, to_server
    finally:
        try:
            await _end(name, process, log)
        finally:
            for task in tasks:
                task.cancel()
            for stream in (to_client, from_server, to_server, from_client):
                stream.close()
            _let_go(transport)


def _let_go(transport: asyncio.SubprocessTransport) -> None:
    """Close the pipes, which what the server left behind may hold open for ever."""
    if transport.get_returncode() is not None:
        transport.close()
        return
    for number in (0, 1, 2):  # Of one that runs, ``close`` would kill the leash alone.
        pipe = transport.get_pipe_transport(number)
        if pipe is not None:
            pipe.close()


class _Pipes:
    """The three pipes of one server."""

    def __init__(
        self, name: str, process: asyncio.subprocess.Process, log: LoggerAdapter[Any]
    ) -> None:
        self._name = name
        self._process = process
        self._log = log
        self._mistakes = Repeated()
        self._said = Repeated(lines=ERROR_LINES)

    async def read(self, sink: Any) -> None:
        """What it says, message by message; its end is the end of the stream."""
        import anyio

        assert self._process.stdout is not None
        try:
            async for line in self._lines(self._process.stdout):
                message = self._message(line)
                if message is not None:
                    await sink.send(message)
        except ValueError:
            self._complain("line", f"a message is longer than {MAX_LINE_BYTES >> 20} MB")
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            pass
        finally:
            sink.close()

    async def write(self, source: Any, sink: Any) -> None:
        """What it is told."""
        import anyio

        assert self._process.stdin is not None
        try:
            async for told in source:
                text = told.message.model_dump_json(by_alias=True, exclude_unset=True)
                self._process.stdin.write(f"{text}\n".encode("utf-8", "replace"))
                await self._process.stdin.drain()
        except (OSError, RuntimeError, anyio.ClosedResourceError):
            sink.close()  # It is gone: whoever waits for an answer learns it so.

    async def read_errors(self) -> None:
        """What it writes for whoever runs it: into the log, so many lines a minute."""
        assert self._process.stderr is not None
        async for line in self._lines(_Chunks(self._process.stderr)):
            more = self._said.line("errors", time.monotonic_ns())
            if more is not None:
                words = one_line(line.decode("utf-8", "replace"))
                self._log.info("= MCP server %s writes: %s%s", self._name, words, more)

    async def _lines(self, stream: Any) -> AsyncIterator[bytes]:
        """Lines at a rate. Raises ValueError where one is too long."""
        bucket = TokenBucket(LINES_PER_S, LINES_AT_ONCE)
        while line := await stream.readline():
            wait_ns = bucket.wait_ns(time.monotonic_ns())
            if wait_ns:
                await asyncio.sleep(wait_ns / S_NS)
            bucket.take(time.monotonic_ns())
            yield line

    def _message(self, line: bytes) -> Any:
        """The message in a line; None: it is none, and nobody misses it."""
        from mcp.shared.message import SessionMessage
        from mcp_types import jsonrpc_message_adapter

        if not line.strip():
            return None
        try:
            value = read_json(line)
            return SessionMessage(jsonrpc_message_adapter.validate_python(value, by_name=False))
        except (UnreadableError, ValueError) as error:
            self._complain("message", f"a line is no message: {one_line(str(error), 200)}")
            return None

    def _complain(self, kind: str, words: str) -> None:
        more = self._mistakes.line(kind, time.monotonic_ns())
        if more is not None:
            self._log.warning("! < MCP server %s: %s%s", self._name, words, more)


class _Chunks:
    """A stream whose lines may have any length: long ones come in pieces."""

    def __init__(self, stream: asyncio.StreamReader) -> None:
        self._stream = stream

    async def readline(self) -> bytes:
        """The next line, or a piece of one; empty at the end."""
        return await self._stream.read(MAX_ERROR_BYTES)


async def _end(name: str, process: asyncio.subprocess.Process, log: LoggerAdapter[Any]) -> None:
    """Close its input, then have the leash end it; all is waited for only so long."""
    try:
        if process.stdin is not None:
            process.stdin.close()
        if await _has_ended(process, LEAVE_S):
            return
    finally:  # Also where nobody has the time to wait: the leash needs no help.
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
    if not await _has_ended(process, ENDED_S):
        log.warning("! MCP server %s does not end: it is killed", name)
        with contextlib.suppress(OSError):
            os.killpg(process.pid, 9)


async def _has_ended(process: asyncio.subprocess.Process, limit_s: float) -> bool:
    """Whether it ends in time. ``wait`` would wait for its pipes too, which others may hold."""
    until_s = time.monotonic() + limit_s
    while process.returncode is None and time.monotonic() < until_s:
        await asyncio.sleep(0.01)
    return process.returncode is not None
