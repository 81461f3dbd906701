"""The decorator that makes a function a tool. Sans-I/O."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, overload

from mixer_core.runtime.errors import ToolDefinitionError

from .offered_schema import offered_parameters
from .schema import signature_of
from .spec import ToolSpec

Function = TypeVar("Function", bound=Callable[..., Any])

_ATTRIBUTE = "__mixminus_tool__"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MAX_TIMEOUT_MS = 600_000


@overload
def tool(function: Function, /) -> Function: ...


@overload
def tool(
    *,
    name: str = "",
    confirm: bool | str = False,
    who: Iterable[str] = (),
    filler: str = "",
    timeout_ms: int = 0,
) -> Callable[[Function], Function]: ...


def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str = "",
    confirm: bool | str = False,
    who: Iterable[str] = (),
    filler: str = "",
    timeout_ms: int = 0,
) -> Any:
    """Offer a plain or async function to the model; the function itself does not change.

    Args:
        name: what the model calls it; empty: the function's name.
        confirm: somebody in the room must confirm each call; a text is the question, with
            ``{parameter}`` placeholders.
        who: names of the people who may use it; empty: everybody.
        filler: said when it takes long.
        timeout_ms: timeout, at most 600000; 0: ``tool_timeout_ms`` of the settings.

    Raises:
        ToolDefinitionError: the function's signature or an option cannot be used.
    """

    def define(target: Callable[..., Any]) -> Callable[..., Any]:
        title = name or getattr(target, "__name__", "")
        if not _NAME.fullmatch(title):
            raise ToolDefinitionError(
                f"tool {title!r}: a name has 1 to 64 letters, digits, _ and -"
            )
        if not 0 <= timeout_ms <= _MAX_TIMEOUT_MS:
            raise ToolDefinitionError(f"tool {title}: timeout_ms must be 0 to {_MAX_TIMEOUT_MS}")
        if isinstance(who, str):
            raise ToolDefinitionError(
                f'tool {title}: who takes a list of names, such as ("{who}",)'
            )
        signature = signature_of(target, title)
        try:
            parameters = offered_parameters(signature.parameters)
        except ToolDefinitionError as error:
            raise ToolDefinitionError(f"tool {title}: {error}") from error
        spec = ToolSpec(
            name=title,
            description=signature.description,
            parameters=parameters,
            check=signature.check,
            function=target,
            is_async=inspect.iscoroutinefunction(target),
            caller=signature.caller,
            confirm=bool(confirm),
            question=confirm if isinstance(confirm, str) else "",
            who=tuple(who),
            filler=filler,
            timeout_ms=timeout_ms,
        )
        setattr(target, _ATTRIBUTE, spec)
        return target

    return define if function is None else define(function)


def spec_of(function: object) -> ToolSpec | None:
    """The spec that ``@tool`` made for a function; None if it is not a tool."""
    spec = getattr(function, _ATTRIBUTE, None)
    return spec if isinstance(spec, ToolSpec) else None
