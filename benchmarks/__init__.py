"""The benchmark command: CPU and latency of the gateway."""
