"""The simulator's sound: RTP in and out, recordings, blocked UDP."""
