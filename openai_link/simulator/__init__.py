"""A local Realtime peer: speaks OpenAI's GA protocol over WebRTC and WebSocket, without a key.

``python -m openai_link.simulator`` listens on ``[simulator] http_port``; the base URL for any
Realtime client is then ``http://127.0.0.1:8765/v1``. ``engine`` decides, without I/O; ``calls``,
``media``, ``http`` and ``service`` connect it to the world.
"""
