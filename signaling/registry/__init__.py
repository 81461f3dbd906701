"""Rooms, participants and their processes, without I/O."""
