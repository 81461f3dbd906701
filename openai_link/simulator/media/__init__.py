"""Audio of WebRTC calls, recordings, and the switch that blocks UDP."""
