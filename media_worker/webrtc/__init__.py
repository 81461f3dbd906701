"""The peer connection of a browser."""
