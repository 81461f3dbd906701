"""Tables of the reducer: event types that say nothing new, error codes that mean little or all."""

from __future__ import annotations

from mixer_core.bus.errors import UpstreamError

BENIGN_CODES = frozenset(
    {
        "response_cancel_not_active",
        "conversation_already_has_active_response",
        "input_audio_buffer_commit_empty",
        "item_retrieve_invalid_item_id",
        "item_delete_invalid_item_id",
        "item_truncate_invalid_item_id",
    }
)
"""Errors that are the ordinary result of two sides acting at once."""
FATAL_CODES = UpstreamError.FATAL_CODES | {"session_expired", "beta_api_shape_disabled"}
"""Errors after which the session does not live on."""

IGNORED = frozenset(
    {
        "conversation.created",
        "conversation.item.retrieved",
        "conversation.item.input_audio_transcription.segment",
        "input_audio_buffer.cleared",
        "input_audio_buffer.dtmf_event_received",
        "mcp_list_tools.in_progress",
        "mcp_list_tools.completed",
        "mcp_list_tools.failed",
        "rate_limits.updated",
        "response.content_part.done",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.mcp_call.completed",
        "response.mcp_call.failed",
        "response.mcp_call.in_progress",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.output_audio.delta",
        "response.output_audio.done",
        "response.output_item.added",
    }
)
"""Known and without a meaning for us: what they bring comes in another event too."""
