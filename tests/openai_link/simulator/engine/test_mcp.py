"""MCP servers: lists of tools, calls, approvals, failures."""

from __future__ import annotations

import json

import pytest

from openai_link.simulator.brains.script import ScriptBrain
from tests.openai_link.simulator.scripted import DOCS, ask, packaged
from tests.openai_link.simulator.support import Session


def test_order_i_tools_are_listed_then_called_without_the_client() -> None:
    session = packaged({"tools": [{**DOCS, "require_approval": "never"}]})
    session.wait(20)
    assert session.kinds() == [
        "session.created",
        "conversation.item.added",
        "mcp_list_tools.in_progress",
        "mcp_list_tools.completed",
        "conversation.item.done",
    ]
    listed = session.events[-1]["item"]
    assert [tool["name"] for tool in listed["tools"]] == ["search"]
    events = ask(session, "Search the docs for cats")
    assert session.kinds(events)[:10] == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.mcp_call.in_progress",
        "response.mcp_call.completed",
        "conversation.item.done",
        "response.output_item.done",
        "response.output_item.added",
    ]
    call, message = session.last("response.done")["response"]["output"]
    assert (call["output"], json.loads(call["arguments"])) == ("1 document", {"query": "cats"})
    assert message["content"][0]["transcript"] == "[simulator] I found something about cats."


@pytest.mark.parametrize("approve", [True, False])
def test_an_mcp_call_waits_for_the_approval_that_the_session_wants(approve: bool) -> None:
    session = packaged({"tools": [DOCS]})
    session.wait(20)
    ask(session, "Search for cats", 30)
    [request] = session.last("response.done")["response"]["output"]
    assert request["type"] == "mcp_approval_request"
    answer = {"type": "mcp_approval_response", "approval_request_id": request["id"]}
    session.events.clear()
    session.send(type="conversation.item.create", item={**answer, "approve": approve})
    session.wait(100)
    output = session.last("response.done")["response"]["output"]
    kinds = ["mcp_call", "message"] if approve else ["message"]
    assert [item["type"] for item in output] == kinds
    if approve:
        assert output[0]["approval_request_id"] == request["id"]
    else:
        assert output[0]["content"][0]["transcript"] == "[simulator] Then I will not search."
    session.send(type="conversation.item.create", item={**answer, "approve": True})
    assert session.wait(50) == [] or not session.all("response.created")[1:]
    bad = {"type": "mcp_approval_response", "approval_request_id": "x", "approve": True}
    [error] = session.send(type="conversation.item.create", item=bad)
    assert error["error"]["param"] == "item.approval_request_id"


def test_mcp_servers_and_tools_can_fail() -> None:
    script = """
        [[mcp]]
        server = "docs"
        fails = true
        [[rule]]
        say = "Pity."
        [[rule.mcp]]
        server = "docs"
        name = "search"
        error = "out of order"
    """
    tools = [{**DOCS, "require_approval": "never"}]
    session = Session({"tools": tools}, ScriptBrain.parse(script))
    session.wait(20)
    assert session.all("mcp_list_tools.failed")
    ask(session, "x")
    assert session.all("response.mcp_call.failed")
    call = session.last("response.done")["response"]["output"][0]
    assert call["error"] == {"type": "tool_execution_error", "message": "out of order"}
