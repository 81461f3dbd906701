"""Tools: functions that the assistant may call. README.md tells how to write one.

``from openai_link.tools import tool`` is all that a module of tools needs; ``ToolError`` is raised
with words for the model, ``Caller`` is the type of a parameter that holds who asked.
"""

from mixer_core.runtime.errors import ToolDefinitionError, ToolError

from .define import tool
from .spec import Caller, ToolSpec

__all__ = ["Caller", "ToolDefinitionError", "ToolError", "ToolSpec", "tool"]
