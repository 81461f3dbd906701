"""The phone of ``lan_page`` with Firefox: from the link to the first sample of the reply.

Run in the phone's network: ``python -m tests.browser.firefox_phone PROFILE ADDRESS``; prints the
findings as the last line.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

from tests.browser.firefox import Stuck, firefox
from tests.browser.support import HEARS

ADVANCED = ("advanced-button", "advancedButton")
PROCEED = ("exception-button", "exceptionDialogButton")
"""Of the warning: of this Firefox, and of older ones."""
STUCK = 75
"""Exit code where Firefox itself does not go on."""


async def main() -> None:
    """The whole way."""
    profile, address = Path(sys.argv[1]), sys.argv[2]
    async with firefox(profile) as browser:
        began = time.monotonic()
        warned = await browser.open(address)
        taps = 1
        if warned:
            await browser.tap(*ADVANCED)
            await browser.tap(*PROCEED)
            taps += 2
        await browser.tap("join-button")
        joined_s = time.monotonic() - began
        await browser.until_true(f"({HEARS})()", "no sample of the reply")
        found = {
            "taps": taps,
            "join_tapped_s": round(joined_s, 2),
            "first_sample_s": round(time.monotonic() - began, 2),
            "secure": await browser.evaluate("isSecureContext"),
            "address": await browser.evaluate("location.href"),
            "name": await browser.evaluate("mixminus.state().name"),
            "browser": await browser.evaluate("navigator.userAgent"),
            "errors": browser.errors,
        }
    print(json.dumps(found))


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except Stuck as stuck:
        print(f"Firefox is stuck: {stuck}", file=sys.stderr)
        sys.exit(STUCK)
