"""Where each setting has its value from, and when a change of it counts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, get_args, get_type_hints

import msgspec

from .named_sections import NamedSections
from .settings import (
    ENV_PREFIX,
    CommonSettings,
    S,
    When,
    load_all,
    parts,
)

DEFAULT = "default"
_TABLE_WITH_SECRETS = frozenset({"headers", "tracing_metadata"})
_WHOLE = frozenset({"session_json"})
"""Texts in which anything may stand."""
_ADDRESS = re.compile(r"(\w+://)(?:[^/@\s]*@)?([^/?#\s]*)([^?#\s]*)([?#].*)?", re.DOTALL)
_SECRET_WORDS = ("api_key", "authorization", "secret", "token", "password")
_NO_SECRETS = ("_variable", "_limit", "_tokens")
REDACTED = "(not shown)"
_NOT_SET = object()


@dataclass(frozen=True, slots=True)
class Origin:
    """One key."""

    section: str
    key: str
    value: Any
    """Secrets are replaced."""
    where: str
    """``default``, ``<file>:<line>`` or the variable."""
    when: When
    """When a change of it counts."""


def origins(declared: type[S], env: Mapping[str, str]) -> list[Origin]:
    """Every key of every section, in the order of their declaration.

    Raises:
        SettingsError: as ``load_all``.
    """
    settings = load_all(declared, env)
    where: dict[tuple[str, str], str] = {}
    named = {one.name for one in fields(settings) if is_named(getattr(settings, one.name))}
    for part in parts(env):
        for inner in part.named() if part.section in named else (part,):
            for key in inner.keys:
                where[inner.section, key] = inner.origin(key)
    return [
        Origin(
            section,
            key,
            shown(key, value),
            where.get((section, key), DEFAULT),
            when(declaration, key),
        )
        for section, declaration, keys in _sections(settings)
        for key, value in keys.items()
    ]


def is_named(section: object) -> bool:
    """Whether it is made of sections under names of their own."""
    return isinstance(section, NamedSections)


def _sections(settings: CommonSettings) -> Iterator[tuple[str, type[Any], Mapping[str, Any]]]:
    """Name, declaration and keys of each section; of named ones the keys that are set."""
    for field in fields(settings):
        section = getattr(settings, field.name)
        if isinstance(section, NamedSections):
            for name, keys in section.items():
                yield f"{field.name}.{name}", section.entry, keys
        else:
            keys = {key.name: getattr(section, key.name) for key in fields(section)}
            yield field.name, type(section), keys


def when(section: type[Any], key: str) -> When:
    """When a change of ``key`` counts, as its declaration says, else that of its section."""
    hint = _hints(section)[key]  # type: ignore[arg-type]  # Any class is hashable.
    for note in get_args(hint)[1:]:
        if isinstance(note, msgspec.Meta) and note.extra and "applies" in note.extra:
            told: When = note.extra["applies"]
            return told
    of_section: When = section.applies
    return of_section


@cache
def _hints(section: type[Any]) -> dict[str, Any]:
    """What a section declares, read once."""
    return get_type_hints(section, include_extras=True)


def changed(old: CommonSettings, new: CommonSettings) -> list[tuple[str, str, When]]:
    """The keys whose values differ, and when the new ones count."""
    before = {(name, key): v for name, _, keys in _sections(old) for key, v in keys.items()}
    after = {(name, key): v for name, _, keys in _sections(new) for key, v in keys.items()}
    declared = {name: kind for one in (old, new) for name, kind, _ in _sections(one)}
    return [
        (name, key, when(declared[name], key))
        for name, key in {**before, **after}
        if before.get((name, key), _NOT_SET) != after.get((name, key), _NOT_SET)
    ]


def shown(key: str, value: Any) -> Any:
    """The value as it may be shown: what may be a secret is not."""
    if isinstance(value, dict):
        everything = key in _TABLE_WITH_SECRETS
        return {
            name: REDACTED if everything and not _is_reference(inner) else shown(name, inner)
            for name, inner in value.items()
        }
    if key == "command" and value:
        return [value[0], *[REDACTED] * (len(value) > 1)]
    if isinstance(value, list | tuple):
        return [shown(key, inner) for inner in value]
    if hasattr(type(value), "__dataclass_fields__"):
        return {
            entry.name: shown(entry.name, getattr(value, entry.name)) for entry in fields(value)
        }
    is_secret = any(word in key for word in _SECRET_WORDS) and not key.endswith(_NO_SECRETS)
    if is_secret and isinstance(value, str) and value and not _is_reference(value):
        return REDACTED
    if isinstance(value, str):
        return REDACTED if key in _WHOLE and value else _address(key, value)
    return value


def _address(key: str, value: str) -> str:
    """An address without user, password and query; of an MCP server (``url``) the path may be a
    secret, too."""
    found = _ADDRESS.fullmatch(value)
    if found is None:
        return value
    scheme, host, path, query = found.groups()
    is_bare = key != "url" or path in ("", "/")
    rest = (path if is_bare else f"/{REDACTED}") + (f"?{REDACTED}" if query else "")
    left_out = f"{REDACTED}@" if "@" in value.partition("://")[2].partition("/")[0] else ""
    return f"{scheme}{left_out}{host}{rest}"


def _is_reference(value: object) -> bool:
    """Whether it only names a variable of the environment."""
    return isinstance(value, str) and value.startswith("${") and value.endswith("}")


def variable_of(section: str, key: str) -> str:
    """The variable that sets a key."""
    return f"{ENV_PREFIX}{section}__{key}".upper()
