"""Running sessions: WebRTC, WebSocket, sidebands, and the switchboard that holds them all."""
