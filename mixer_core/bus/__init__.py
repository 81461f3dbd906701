"""What every process of mixminus shares: wire, endpoints, settings, the process skeleton.

Imports neither numpy nor numba nor aiortc, so that a media worker stays small.
The wire is described in ``README.md`` beside this file.
"""
