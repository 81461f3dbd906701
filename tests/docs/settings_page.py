"""``docs/settings.md``: the settings' declarations as a page.

``python -m tests.docs.settings_page`` writes it; a test compares.
"""

from __future__ import annotations

import json
import types
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from deploy.settings import AllSettings
from mixer_core.runtime.named_sections import NamedSections
from mixer_core.runtime.setting_origins import when
from tests.deploy.test_settings import declared_comments
from tests.docs.documents import ROOT

PATH = ROOT / "docs" / "settings.md"
HEAD = """# Settings

Every key, its default, what it may be, and what it does. This page is made from the declarations
in the programs (`python -m tests.docs.settings_page`), so it is what the gateway accepts.

- **A file**: name it in `MIXMINUS_CONFIG`. [deploy/mixminus.toml](../deploy/mixminus.toml) has
  every key at its default; yours needs only what differs.
- **The environment** wins over the file: `MIXMINUS_<SECTION>__<KEY>`, such as
  `MIXMINUS_SIGNALING__HTTP_PORT=18080`. Lists and tables are written as JSON.
- **A key that nobody knows, or a value that is not possible**, ends the start with one line that
  names file, section and key.
- **A running gateway** reads the file again at `mixminus reload` ([more](operating.md)); *counts*
  says when a change does: at once, from the next call on, or with the next start.
- **Secrets are not settings**: `OPENAI_API_KEY`, `MIXMINUS_TOKEN` and the tokens of tools come from
  the environment ([who gets which](limits.md#secrets)).
"""
NAMED = """One section for each room that is to be other than the rest, such as `[rooms.kitchen]`;
what it does not say is as in `[rooms._others]`. What that does not say either is as in
`[signaling]` (`mode`) and `[openai_link]` (`instructions`, `voice`, `model`,
`transcription_language` for `language`, `journal` for `transcript`), else as here
([more](rooms.md)). In the environment: `MIXMINUS_ROOMS__KITCHEN__VOICE`.
"""
COUNTS = {"now": "at once", "session": "next session", "call": "next call", "start": "next start"}
_NAMES = {int: "integer", float: "number", str: "text", bool: "`true`, `false`"}


def page() -> str:
    """The whole page."""
    defaults = AllSettings()
    parts = [HEAD]
    for section in fields(AllSettings):
        values = getattr(defaults, section.name)
        if isinstance(values, NamedSections):
            parts.append(f"## `[{section.name}.NAME]`\n\n{NAMED}")
            parts.append("\n".join(_table(values.entry())) + "\n")
            continue
        parts.append(f"## `[{section.name}]`\n\n" + "\n".join(_table(values)) + "\n")
    return "\n".join(parts)


def _table(values: Any) -> Iterator[str]:
    words = declared_comments(type(values))
    hints = get_type_hints(type(values), include_extras=True)
    yield "| key | default | may be | counts | |"
    yield "|---|---|---|---|---|"
    for key in fields(values):
        default = _default(getattr(values, key.name))
        counts = COUNTS[when(type(values), key.name)]
        cells = (f"`{key.name}`", default, allowed(hints[key.name]), counts, words[key.name])
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(value: Any) -> str:
    if isinstance(value, dict):
        return "see the file" if value else "none"
    return f"`{json.dumps(msgspec.to_builtins(value), ensure_ascii=False)}`"


def allowed(hint: Any) -> str:
    """What a value may be, in words."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        kind, *notes = parts
        return " ".join(filter(None, (allowed(kind), *map(_bounds, notes))))
    if origin is Literal:
        return ", ".join(f"`{json.dumps(part)}`" for part in parts)
    if origin is tuple:
        return f"list of {allowed(parts[0])}"
    if origin is dict:
        return "table" if is_dataclass(parts[1]) else f"table of {allowed(parts[1])}"
    if origin in (Union, types.UnionType):
        return " or ".join(map(allowed, parts))
    return _NAMES[hint]


def _figure(limit: float) -> str:
    """A limit; 0 and 0.0 are equal, and which of them an annotation has depends on others."""
    return f"{int(limit) if limit == int(limit) else limit:,}"


def _bounds(note: Any) -> str:
    if not isinstance(note, msgspec.Meta):
        return ""
    if note.max_length is not None:
        return f"of at most {note.max_length:,} characters"
    low = note.ge if note.ge is not None else note.gt
    if low is not None and note.le is not None:
        return f"{'' if note.ge is not None else 'above '}{_figure(low)} to {_figure(note.le)}"
    if low is not None:
        return f"from {_figure(low)}"
    return f"at most {_figure(note.le)}" if note.le is not None else ""


if __name__ == "__main__":
    PATH.write_text(page(), encoding="utf-8")
