"""Devices that hear each other: one microphone and one loudspeaker for each physical room."""
