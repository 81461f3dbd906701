"""A local Realtime peer: speaks OpenAI's GA protocol over WebRTC, without OpenAI and without a key.

``python -m openai_link.simulator`` listens on ``[simulator] http_port``; the base URL for any
Realtime client is then ``http://127.0.0.1:8765/v1``. The pure parts (everything that decides) are
``engine`` and what it imports; ``call``, ``media``, ``http`` and ``service`` are the shells.
"""
