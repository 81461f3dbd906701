"""A process that writes one item to a journal, waits for a line, and writes another one.

``python -m tests.openai_link.transcript.store_writer PATH ROOM``: prints ``written`` after each
item, or ``moved`` where the files are no longer those of that name.
"""

from __future__ import annotations

import sys
from pathlib import Path

from mixer_core.runtime.errors import JournalError
from openai_link.transcript.journal_store import JournalStore
from tests.openai_link.transcript.journal_writer import item


def main() -> None:
    """Write, wait, write."""
    store = JournalStore(Path(sys.argv[1]), sys.argv[2])
    for number in range(2):
        try:
            store.write([item(number)], 1)
            print("written", flush=True)
        except JournalError as error:
            if not error.is_moved:
                raise
            print("moved", flush=True)
            store.leave()
        if not number:
            sys.stdin.readline()


if __name__ == "__main__":
    main()
