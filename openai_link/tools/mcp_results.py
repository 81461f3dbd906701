"""What the model is told of the result of an MCP server's tool. Sans-I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .outputs import error_output, to_text

if TYPE_CHECKING:
    from mcp_types import CallToolResult


def output_of(result: CallToolResult, redact: Callable[[str], str] = str) -> str:
    """The words of a result, of any length; of one without any, its structured content.

    An error's are cut, after ``redact`` has removed what nobody may see.
    """
    text = "\n".join(_words(block) for block in result.content)
    if result.is_error:
        return error_output(redact(text))
    return text or to_text(result.structured_content)


def _words(block: Any) -> str:
    """The text of a part, that of a resource within it included; or what it is, and where."""
    resource = getattr(block, "resource", block)
    text = getattr(resource, "text", None)
    if isinstance(text, str):
        return text
    where = str(getattr(resource, "uri", "") or "")
    return f"[{block.type}: {where}]" if where else f"[{block.type}]"
