"""The simulator's calls: WebRTC, WebSocket, sidebands, and the switchboard that knows them all."""
