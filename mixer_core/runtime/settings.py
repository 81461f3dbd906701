"""Settings: one TOML file, one section per program, every key typed, bounded and documented.

Each program declares its section in its own ``settings`` module, as a dataclass, and loads it with
a class derived from ``CommonSettings``. The environment (``MIXMINUS_<SECTION>__<KEY>``) wins over
the file that ``MIXMINUS_CONFIG`` names, and the file over the defaults. A program ignores sections
that it does not declare; ``mixminus run`` declares all of them and refuses any other. Secrets are
never keys: ``OPENAI_API_KEY`` and ``MIXMINUS_TOKEN`` come from the environment.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec

from .errors import SettingsError
from .named_sections import NamedSections
from .toml_lines import key_lines

ENV_PREFIX = "MIXMINUS_"
CONFIG_VARIABLE = "MIXMINUS_CONFIG"
RESERVED_VARIABLES = frozenset(
    {CONFIG_VARIABLE, "MIXMINUS_TOKEN", "MIXMINUS_SUPERVISED", "MIXMINUS_REQUIRE_BROWSER"}
)

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1000)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=600_000)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=86_400)]


When = Literal["now", "session", "call", "start"]
"""When a change that ``mixminus reload`` reads counts: at once; with the next session of a room,
which it has at the latest when the one that it has expires; from the next call on, which is a
browser that joins or a room that opens; with the next start of the gateway. A section says it in
``applies``, single keys by one of the notes that follow."""
AT_ONCE = msgspec.Meta(extra={"applies": "now"})
AT_THE_NEXT_SESSION = msgspec.Meta(extra={"applies": "session"})
AT_THE_START = msgspec.Meta(extra={"applies": "start"})


class SectionView:
    """Base of a section of another program of which only some keys are read.

    The owner of the section checks the other keys.
    """

    __slots__ = ()


def default_state_dir(env: Mapping[str, str] = os.environ) -> str:
    """``$XDG_STATE_HOME/mixminus``, else ``~/.local/state/mixminus``.

    Raises:
        SettingsError: there is no home directory.
    """
    base = env.get("XDG_STATE_HOME")
    if not base:
        try:
            base = f"{Path.home()}/.local/state"
        except RuntimeError as error:
            raise SettingsError(
                "this user has no home directory: set MIXMINUS_RUNTIME__STATE_DIR to the directory "
                "where the journal and the keys are kept"
            ) from error
    return f"{base}/mixminus"


def default_runtime_dir(env: Mapping[str, str] = os.environ) -> str:
    """``$XDG_RUNTIME_DIR/mixminus`` where the system has one, else ``/tmp/mixminus-<uid>``."""
    base = env.get("XDG_RUNTIME_DIR")
    return f"{base}/mixminus" if base else f"/tmp/mixminus-{os.getuid()}"


@dataclass(frozen=True, slots=True)
class RuntimeSettings:
    """Shared by all programs."""

    applies = "now"

    dir: Annotated[str, AT_THE_START] = ""
    """Directory for sockets and locks (created with mode 0700); empty: chosen by the system."""
    state_dir: Annotated[str, AT_THE_START] = ""
    """Directory for what is kept, such as the journal (created with mode 0700); empty: chosen by
    the system."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Lowest severity that is logged; mixminus log-level changes it for a while."""
    log_format: Literal["console", "json"] = "console"
    """Lines of the log: for people (console), or one JSON object each (json)."""
    watchdog_s: Annotated[int, msgspec.Meta(ge=0, le=3_600)] = 10
    """A program that has not moved for this time, because it was stopped or hangs, is killed and
    started anew; 0: never. A debugger needs 0."""
    drain_s: Annotated[float, msgspec.Meta(ge=0, le=3_600)] = 30
    """Longest time that calls go on after the gateway was asked to stop: nobody new comes in,
    people are told, and it ends as soon as all have left. 0: at once."""
    log_file: str = ""
    """File that the lines of all programs go to; empty: to the terminal, or to whatever starts
    mixminus."""
    log_max_mb: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 10
    """Size beyond which that file is put aside and a new one begun; 0: never, something else
    rotates it and sends SIGUSR2."""
    log_keep: Annotated[int, msgspec.Meta(ge=0, le=100)] = 5
    """How many files that were put aside are kept."""
    priority: Literal["usual", "raised", "realtime"] = "usual"
    """Of the mixers and of the processes of browsers, where the system permits it; realtime:
    before every program that is not."""
    mixer_processor: Annotated[int, msgspec.Meta(ge=-1, le=1023)] = -1
    """Number of the processor that mixers stay on; -1: any."""
    lock_memory: bool = False
    """Whether mixers keep all their memory in RAM, where the system permits it."""


@dataclass(frozen=True, slots=True)
class CommonSettings:
    """What every program reads. Derived classes add a field per section, each with a default."""

    runtime: RuntimeSettings = field(default_factory=RuntimeSettings)

    @property
    def runtime_dir(self) -> Path:
        """Where sockets, locks and pid files are."""
        return Path(self.runtime.dir or default_runtime_dir())

    @property
    def state_dir(self) -> Path:
        """Where the journal is."""
        return Path(self.runtime.state_dir or default_state_dir())


S = TypeVar("S", bound=CommonSettings)


class _Part(NamedTuple):
    """Keys of one section that somebody has set."""

    section: str
    keys: Mapping[str, Any]
    source: str
    """The variable, or the path of the file."""
    text: str | None
    """Of the file; None: from the environment, where a value is text, read as the key's type."""

    @property
    def name(self) -> str:
        """Of a section that ``named`` has found."""
        return self.section.partition(".")[2]

    def named(self) -> Iterator[_Part]:
        """The sections in this one, as ``rooms.kitchen`` in ``rooms``. Raises SettingsError.

        A variable has the name before its last two underscores.
        """
        for name, keys in self.keys.items():
            if self.text is None:
                name, _, key = name.rpartition("__")
                keys = {key: keys}
            if not name or not isinstance(keys, dict):
                wanted = (
                    f"{ENV_PREFIX}{self.section.upper()}__<NAME>__<KEY>"
                    if self.text is None
                    else f"[{self.section}.NAME] with its keys below"
                )
                raise SettingsError(f"{self.at(name)} has no name and keys: write {wanted}")
            yield self._replace(section=f"{self.section}.{name}", keys=keys)

    def line(self, *key: str) -> int:
        """Line of a key in the file, or of the section; 0: it is not found."""
        return key_lines(self.text or "").get((*self.section.split("."), *key), 0)

    def at(self, key: str = "") -> str:
        """Where it is, for errors."""
        if self.text is None:
            return f"the variable {self.source}"
        line = self.line(key) if key else self.line()
        where = f"{self.source}, line {line}" if line else self.source
        return f"{where}: [{self.section}] {key}".strip()

    def origin(self, key: str) -> str:
        """Where a value comes from, in short."""
        return self.source if self.text is None else f"{self.source}:{self.line(key)}"


def load(declared: type[S], env: Mapping[str, str] = os.environ) -> S:
    """The settings of one program; sections that ``declared`` does not have are ignored.

    Raises:
        SettingsError: names the file or variable, the section, the key, and what is allowed.
    """
    return _build(declared, env, every_section=False)


def load_all(declared: type[S], env: Mapping[str, str] = os.environ) -> S:
    """The settings of all programs; a section that ``declared`` does not have is an error.

    Raises:
        SettingsError: names the file or variable, the section, the key, and what is allowed.
    """
    return _build(declared, env, every_section=True)


def _build(declared: type[S], env: Mapping[str, str], *, every_section: bool) -> S:
    sections = get_type_hints(declared)
    values: dict[str, dict[str, Any]] = {name: {} for name in sections}
    for part in parts(env):
        section = sections.get(part.section)
        if section is not None and issubclass(section, NamedSections):
            for inner in part.named():
                _check_section_name(inner, section)
                keys = values[part.section].setdefault(inner.name, {})
                keys.update(_checked(inner, section.entry))
        elif section is not None:
            values[part.section].update(_checked(part, section))
        elif every_section:
            raise SettingsError(
                f"{part.at()}: there is no section [{part.section}], only {', '.join(sections)}"
            )
    return declared(**{name: section(**values[name]) for name, section in sections.items()})


def parts(env: Mapping[str, str]) -> Iterator[_Part]:
    """What is set, the file's first. Raises SettingsError."""
    yield from _file_parts(env.get(CONFIG_VARIABLE))
    yield from _environment_parts(env)


def _file_parts(file: str | None) -> Iterator[_Part]:
    if not file:
        return
    path = Path(file)
    try:
        if path.exists() and not path.is_file():  # A pipe would be waited for.
            raise OSError(0, "it is no file")
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text)
    except OSError as error:
        raise SettingsError(
            f"the settings file {path} cannot be read ({error.strerror}): "
            f"correct {CONFIG_VARIABLE} or unset it"
        ) from error
    except (ValueError, RecursionError) as error:  # Also an endless number, or a deep list.
        raise SettingsError(f"the settings file {path} is not valid TOML: {error}") from error
    for section, keys in content.items():
        if not isinstance(keys, dict):
            line = key_lines(text).get((section,), 0)
            raise SettingsError(
                f"{path}, line {line}: {section} belongs to no section: write it below the line "
                "with its section's name, such as [runtime]"
            )
        yield _Part(section, keys, str(path), text)


def _environment_parts(env: Mapping[str, str]) -> Iterator[_Part]:
    for variable, text in env.items():
        if not variable.startswith(ENV_PREFIX) or variable in RESERVED_VARIABLES:
            continue
        section, separator, key = variable[len(ENV_PREFIX) :].lower().partition("__")
        if not separator:
            raise SettingsError(
                f"the variable {variable} is not a setting: write {ENV_PREFIX}<SECTION>__<KEY>"
            )
        yield _Part(section, {key: text}, variable, None)


def _check_section_name(part: _Part, section: type[NamedSections]) -> None:
    if refusal := section.name_refusal(part.name):
        raise SettingsError(f"{part.at()}: {refusal}")


def _checked(part: _Part, section: type[Any]) -> dict[str, Any]:
    """The keys of ``part`` with their values converted to the types that ``section`` declares."""
    hints = get_type_hints(section, include_extras=True)
    checked: dict[str, Any] = {}
    for key, value in part.keys.items():
        if key in hints:
            checked[key] = _converted(part, key, value, hints[key])
        elif not issubclass(section, SectionView):
            raise SettingsError(
                f"{part.at(key)} is an unknown setting; [{part.section}] has "
                f"{', '.join(sorted(hints))}"
            )
    return checked


def _converted(part: _Part, key: str, value: Any, hint: Any) -> Any:
    is_text = part.text is None
    if is_text:
        value = _from_text(value, hint)
    is_table = get_origin(hint) is dict
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode()
        converted = msgspec.convert(value, hint, strict=not is_text)
    except UnicodeEncodeError as error:
        where = part.at(key)
        raise SettingsError(f"{where} is not possible: it has bytes that are not UTF-8") from error
    except msgspec.ValidationError as error:
        shown = "" if is_table else f" = {value!r}"  # Tables may hold secrets.
        raise SettingsError(f"{part.at(key)}{shown} is not possible: {error}") from error
    if is_table:
        _check_names(lambda: part.at(key), value, get_args(hint)[1])
    return converted


def _check_names(where: Callable[[], str], table: Mapping[str, Any], hint: Any) -> None:
    """A key of an entry that nobody knows is an error, as it is in a section."""
    if not is_dataclass(hint):
        return
    known = {entry.name for entry in fields(hint)}
    for name, entry in table.items():
        unknown = sorted(set(entry) - known)
        if unknown:
            raise SettingsError(
                f"{where()}: {name}.{unknown[0]} is an unknown setting; there are "
                f"{', '.join(sorted(known))}"
            )


def _from_text(text: str, hint: Any) -> Any:
    """A variable's text as TOML would have given it; lists and tables are written as JSON."""
    if hint is bool:
        words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
        return words.get(text.lower(), text)
    if get_origin(hint) in (tuple, dict):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text  # The check of its type names the setting.
    return text
