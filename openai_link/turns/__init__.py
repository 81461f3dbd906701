"""Whose turn it is: barge-in, push-to-talk, typed text, one response at a time."""
