"""The whole tree of errors. Each message is one line: what was wrong, where, and what to do.

MixminusError
├── StartupError                 the process cannot start; carries the exit code
│   ├── SettingsError            a setting is unknown, of the wrong type or out of range     exit 78
│   │   └── UnavailableError     the file or address that it names cannot be used now        exit 78
│   ├── RuntimeDirError          the runtime directory cannot be used                        exit 78
│   ├── PortBusyError            somebody else listens there                                 exit 78
│   ├── RequirementError         a package, a library or a limit of the system is in the way exit 78
│   └── AlreadyRunningError      another instance holds the lock                             exit 1
│                                (supervised, what may pass by itself ends with exit 75)
├── WireError                    the peer's fault: a message that cannot be read
│   ├── FrameError               an audio-path message
│   ├── ControlError             a control message between processes
│   ├── UnreadableError          JSON or MessagePack that is broken, too deep or too large
│   ├── RecordError              what another node of the cluster wrote
│   └── BrowserMessageError      what a browser sent on its data channel; carries a code
├── ClusterError                 NATS, or a node that was asked through it, refused
│   ├── ClusterAwayError         NATS does not answer; knows whether it may be done all the same
│   ├── NobodyThereError         nobody takes requests there
│   └── ConflictError            somebody else has written meanwhile
├── UpstreamError                the Realtime server refused or failed; knows whether a retry helps
├── PictureError                 a file is no picture that can be shown to the assistant
├── JournalError                 the database of what was said cannot be read or written
├── OpusError                    libopus is missing or refused
├── ToolError                    a tool could not do what it was asked; its words are for the model
├── ToolDefinitionError          a function or server cannot be offered to the model as a tool
└── ProblemError                 an answer to an HTTP request (RFC 9457)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from .foreign_text import one_line

EXIT_FAILURE = 1
EXIT_CONFIG = 78
"""``EX_CONFIG`` of BSD's sysexits.h: supervisord does not restart a program that ends with it."""
EXIT_PASSING = 75
"""``EX_TEMPFAIL`` of BSD's sysexits.h: what is in the way may pass, so the program is started again
however often it ends with it."""
MAX_STARTUP_WORDS = 8_000
"""Longest message of a StartupError: it may list the settings that there are."""


RefusalKind = Literal["", "key", "quota", "region", "model", "permission", "rate"]
"""What a refusal of the Realtime server is about; empty: something else."""
REFUSAL_CODES: Mapping[RefusalKind, frozenset[str]] = {
    "key": frozenset({"invalid_api_key"}),
    "quota": frozenset({"insufficient_quota", "billing_hard_limit_reached"}),
    "region": frozenset({"unsupported_country_region_territory"}),
    "model": frozenset({"model_not_found", "invalid_model"}),
    "permission": frozenset({"account_deactivated", "insufficient_permissions"}),
    "rate": frozenset({"rate_limit_exceeded"}),
}
"""The service's own codes of each kind."""


class MixminusError(Exception):
    """Base of all errors that mixminus raises on purpose."""


class StartupError(MixminusError):
    """The process cannot start. ``exit_code`` is what it ends with.

    ``may_pass``: a supervised program, whose settings were checked before the start, is to be tried
    again: it ends with ``EXIT_PASSING``, and the calls that the others hold go on.
    """

    exit_code = EXIT_FAILURE
    may_pass = False

    def __init__(self, message: str) -> None:
        """``message``: may quote what others wrote; it becomes one line, of bounded length."""
        super().__init__(one_line(message, MAX_STARTUP_WORDS))


class SettingsError(StartupError):
    """A setting is unknown, of the wrong type or out of range."""

    exit_code = EXIT_CONFIG


class UnavailableError(SettingsError):
    """What a setting names, such as a certificate or an address, cannot be used now."""

    may_pass = True


class RuntimeDirError(StartupError):
    """The runtime directory cannot be made, is not ours, or is not writable."""

    exit_code = EXIT_CONFIG
    may_pass = True


class PortBusyError(StartupError):
    """A TCP port that we must listen on is taken or forbidden."""

    exit_code = EXIT_CONFIG
    may_pass = True


class RequirementError(StartupError):
    """A package or library is missing or of another release, or the system allows too little."""

    exit_code = EXIT_CONFIG


class AlreadyRunningError(StartupError):
    """Another instance of the program holds the lock of this runtime directory."""

    may_pass = True


class WireError(MixminusError):
    """A message could not be read: the sender's fault, never a reason to stop."""


class FrameError(WireError):
    """An audio-path message has a wrong length, version or kind."""


class ControlError(WireError):
    """A control message is not a MessagePack map, is of unknown type, or has wrong fields."""


class UnreadableError(WireError):
    """JSON or MessagePack that is broken, nests too deep, or has too many values."""


class RecordError(WireError):
    """What another node of the cluster wrote cannot be used: damaged, or of too new a release."""


class BrowserMessageError(WireError):
    """A browser's message could not be read; ``code`` goes into the ``error`` answer."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class UpstreamError(MixminusError):
    """The Realtime server refused a request or the connection failed.

    Attributes:
        code: the server's error code, or one of ours (``connect_timeout`` …).
        kind: what it is about, as far as it is known.
        retryable: whether trying again without a change can help; decided once, here.
        status: HTTP status, 0 where there was none.
        retry_after_s: the server wants no other attempt before; 0: it does not say.
        other_way: the same server may take the call by another transport.
        is_specific: it says more than that the server has nothing at this address.
        param: the field that the server complains about, such as ``session.tools[3].parameters``;
            empty where it does not say.
    """

    CODES = REFUSAL_CODES
    FATAL_KINDS = frozenset({"key", "quota", "region", "model", "permission"})
    """Nothing but a change elsewhere helps."""
    FATAL_CODES = frozenset({"redirected", "beta_api_shape"}).union(
        *(codes for kind, codes in REFUSAL_CODES.items() if kind != "rate")
    )

    def __init__(
        self,
        code: str,
        message: str,
        status: int = 0,
        *,
        kind: RefusalKind = "",
        retry_after_s: float = 0.0,
        param: str = "",
    ) -> None:
        """``kind``: only where the code does not say it."""
        super().__init__(message)
        self.code = code
        self.status = status
        self.kind: RefusalKind = kind or self._kind_of(code)
        self.retry_after_s = retry_after_s
        self.param = param
        self.other_way = False
        self.is_specific = status != 0
        client_fault = 400 <= status < 500 and status not in (408, 409, 425, 429)
        fatal = code in self.FATAL_CODES or self.kind in self.FATAL_KINDS
        self.retryable = not fatal and not client_fault

    @classmethod
    def _kind_of(cls, code: str) -> RefusalKind:
        return next((kind for kind, codes in cls.CODES.items() if code in codes), "")


class ClusterError(MixminusError):
    """NATS, or a node of the cluster that was asked through it, refused. Its words are for the log.

    ``code``: NATS' own number of the reason; 0: there is none.
    """

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class ClusterAwayError(ClusterError):
    """NATS cannot be reached, or has not answered in time.

    ``is_perhaps_done``: the request was sent, so it may have been carried out, or may be yet.
    """

    def __init__(self, message: str, *, is_perhaps_done: bool = False) -> None:
        super().__init__(message)
        self.is_perhaps_done = is_perhaps_done


class NobodyThereError(ClusterError):
    """NATS says that nobody takes requests there: whoever was asked has not heard of it."""


class ConflictError(ClusterError):
    """Somebody else has written meanwhile, so nothing was written: read again, then decide."""


class PictureError(MixminusError):
    """A file is no picture, or none that can be shown. ``is_format``: it is of another format."""

    def __init__(self, message: str, *, is_format: bool = False) -> None:
        super().__init__(message)
        self.is_format = is_format


class JournalError(MixminusError):
    """The journal's database cannot be made, read or written; the call goes on without it.

    The message names the file and is for the log.

    Attributes:
        words: the same for people in a room, who are told of no file.
        is_damage: the file's content is damaged: it can be put aside.
        is_moved: the files are no longer those of its name: what was written is not to be found.
        written: how many of the records, the first ones, are safe all the same.
    """

    def __init__(
        self, message: str, words: str = "", *, is_damage: bool = False, is_moved: bool = False
    ) -> None:
        super().__init__(message)
        self.words = words or "the journal cannot be used"
        self.is_damage = is_damage
        self.is_moved = is_moved
        self.written = 0


class StaleJournalError(JournalError):
    """Another process of the cluster writes the room's journal: this one never does again."""


class NoJournalError(JournalError):
    """There is no journal: nothing was kept yet, or its file is gone."""


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
