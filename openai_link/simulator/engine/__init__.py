"""One simulated Realtime session, without I/O."""
