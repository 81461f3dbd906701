"""Faults on demand: what is to go wrong, when, and for whom."""
