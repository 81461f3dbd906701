"""audio.js: the worklets load, and impatient callers get the same ones."""

from __future__ import annotations

import pytest

from tests.browser.page_unit.conftest import Run

pytestmark = pytest.mark.browser


def test_a_speaker_that_the_browser_does_not_take_is_not_the_chosen_one(run: Run) -> None:
    result = run(
        "audio/engine.js",
        """const engine = new m.AudioEngine(new Proxy({}, { get: () => () => {} }), { jitter: {} });
        await engine.openContext();
        const choose = (id) => engine.setOutput(id).then(() => "taken", ({ name }) => name);
        const first = await choose("there is none such"); const chosen = engine.outputId;
        const back = await choose(""); await engine.close();
        return [first === "taken", chosen, back];""",
    )
    assert result == [False, "", "taken"]


def test_whoever_asks_for_the_context_gets_one_with_its_worklets(run: Run) -> None:
    ready, contexts, errors = run(
        "audio/engine.js",
        """let contexts = 0; const errors = [];
        const Real = window.AudioContext;
        window.AudioContext = class extends Real {
          constructor(...options) { super(...options); contexts += 1; } };
        const callbacks = new Proxy({}, { get: (_, name) => (detail) => {
          if (name === "onWorkletError") errors.push(detail); } });
        const engine = new m.AudioEngine(callbacks, { jitter: { targetMs: 60, fixed: true } });
        const ready = () => Boolean(engine.captureNode && engine.playbackNode);
        const seen = await Promise.all([engine.openContext().then(ready),
          engine.openContext().then(ready)]);
        const ports = engine.makePorts();
        seen.push(ports.capture instanceof MessagePort, ports.playback instanceof MessagePort);
        await engine.close();
        window.AudioContext = Real;
        return [seen, contexts, errors];""",
    )
    assert ready == [True, True, True, True]
    assert contexts == 1
    assert errors == []
