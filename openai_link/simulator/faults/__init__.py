"""Fault injection: what goes wrong, when, and in which calls."""
