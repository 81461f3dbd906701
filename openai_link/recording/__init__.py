"""Recordings of a room: who has agreed, the tracks on one clock, FLAC files, a tone."""
