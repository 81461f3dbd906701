"""Limits per client address, before any other check."""
