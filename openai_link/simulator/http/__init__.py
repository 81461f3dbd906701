"""The simulator's HTTP API and WebSocket upgrade."""
