"""The Realtime API: client events, session objects, and server events reduced to facts."""
