"""What every program needs: process skeleton, settings, logs, metrics, errors, timers, fork pool.

Imports neither numpy nor numba nor aiortc, so that a media worker stays small.
"""
