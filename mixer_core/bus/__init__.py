"""The wire between the programs: frames, events, control messages, endpoints and their sockets.

Described in ``README.md`` beside this file. Imports neither numpy nor numba nor aiortc, so that a
media worker stays small.
"""
