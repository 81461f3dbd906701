"""PyAV's wheel has a libopus, and it can be loaded."""

from __future__ import annotations

import ctypes

from mixer_core.patches.pyav import bundled_libopus


def test_the_wheel_has_one_libopus_that_has_what_is_needed() -> None:
    (path,) = bundled_libopus()
    library = ctypes.CDLL(str(path))
    for name in ("opus_encoder_create", "opus_decode", "opus_packet_get_nb_samples"):
        assert hasattr(library, name)
