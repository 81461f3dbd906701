"""aioice without dnspython, by which it asks the local network for names in .local.

Who connects to servers, which tell addresses, would import it in vain: 30 ms of a processor.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

MODULE = "aioice.mdns"


@contextlib.contextmanager
def when_needed() -> Iterator[None]:
    """Where aioice is imported inside, it imports dnspython when it meets such a name."""
    if MODULE in sys.modules:
        yield
        return
    sys.modules[MODULE] = stand_in()
    try:
        yield
    finally:
        del sys.modules[MODULE]  # aioice has the stand-in; whoever imports the module gets it.


def stand_in() -> ModuleType:
    """What aioice takes from the module; ``MDnsProtocol`` is only an annotation."""

    def is_mdns_hostname(name: str) -> bool:
        return name.endswith(".local") and bool(_module().is_mdns_hostname(name))

    async def create_mdns_protocol() -> Any:
        return await _module().create_mdns_protocol()

    module = ModuleType(MODULE)
    vars(module).update(
        {
            "MDnsProtocol": object,
            "is_mdns_hostname": is_mdns_hostname,
            "create_mdns_protocol": create_mdns_protocol,
        }
    )
    return module


def _module() -> Any:
    return import_module(MODULE)
