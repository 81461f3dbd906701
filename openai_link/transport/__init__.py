"""Connections to the Realtime server, by WebRTC or WebSocket, and the choice between them."""
