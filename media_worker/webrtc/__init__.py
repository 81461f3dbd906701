"""Everything that touches aiortc: the peer connection and its fast paths."""
