"""The whole tree of errors. Each message is one line: what was wrong, where, and what to do.

MixminusError
├── StartupError                 the process cannot start; carries the exit code
│   ├── SettingsError            a setting is unknown, of the wrong type or out of range     exit 78
│   ├── RuntimeDirError          the runtime directory cannot be used                        exit 78
│   ├── PortBusyError            somebody else listens there                                 exit 78
│   └── AlreadyRunningError      another instance holds the lock                             exit 1
├── WireError                    the peer's fault: a message that cannot be read
│   ├── FrameError               an audio-path message
│   ├── ControlError             a control message between processes
│   └── BrowserMessageError      what a browser sent on its data channel; carries a code
├── UpstreamError                the Realtime server refused or failed; knows whether a retry helps
├── JournalError                 the database of what was said cannot be read or written
├── OpusError                    libopus is missing or refused
├── ToolError                    a tool could not do what it was asked; its words are for the model
├── ToolDefinitionError          a function or server cannot be offered to the model as a tool
└── ProblemError                 an answer to an HTTP request (RFC 9457)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EXIT_FAILURE = 1
EXIT_CONFIG = 78
"""``EX_CONFIG`` of BSD's sysexits.h: supervisord does not restart a program that ends with it."""


class MixminusError(Exception):
    """Base of all errors that mixminus raises on purpose."""


class StartupError(MixminusError):
    """The process cannot start. ``exit_code`` is what it ends with."""

    exit_code = EXIT_FAILURE


class SettingsError(StartupError):
    """A setting is unknown, of the wrong type or out of range."""

    exit_code = EXIT_CONFIG


class RuntimeDirError(StartupError):
    """The runtime directory cannot be made, is not ours, or is not writable."""

    exit_code = EXIT_CONFIG


class PortBusyError(StartupError):
    """A TCP port that we must listen on is taken or forbidden."""

    exit_code = EXIT_CONFIG


class AlreadyRunningError(StartupError):
    """Another instance of the program holds the lock of this runtime directory."""


class WireError(MixminusError):
    """A message could not be read: the sender's fault, never a reason to stop."""


class FrameError(WireError):
    """An audio-path message has a wrong length, version or kind."""


class ControlError(WireError):
    """A control message is not a MessagePack map, is of unknown type, or has wrong fields."""


class BrowserMessageError(WireError):
    """A browser's message could not be read; ``code`` goes into the ``error`` answer."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class UpstreamError(MixminusError):
    """The Realtime server refused a request or the connection failed.

    Attributes:
        code: the server's error code, or one of ours (``connect_timeout`` …).
        retryable: whether trying again without a change can help; decided once, here.
        status: HTTP status, 0 where there was none.
    """

    FATAL_CODES = frozenset(
        {
            "invalid_api_key",
            "insufficient_quota",
            "account_deactivated",
            "billing_hard_limit_reached",
            "model_not_found",
            "redirected",
        }
    )

    def __init__(self, code: str, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        client_fault = 400 <= status < 500 and status not in (408, 409, 429)
        self.retryable = code not in self.FATAL_CODES and not client_fault


class JournalError(MixminusError):
    """The journal's database cannot be made, read or written; the call goes on without it."""


class OpusError(MixminusError):
    """libopus was not found, or returned an error code."""


class ToolError(MixminusError):
    """A tool could not do what it was asked; the message is what the model is told."""


class ToolDefinitionError(MixminusError):
    """A function, a module or a server cannot be offered to the model as a tool."""


class ProblemError(MixminusError):
    """An HTTP answer in the form of RFC 9457 problem details.

    Attributes:
        status: HTTP status code. title: short name of the problem. detail: cause and cure.
        retry_after_s: seconds for ``Retry-After``, or None.
        extra: further members of the problem.
    """

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        retry_after_s: int | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.extra = dict(extra or {})
