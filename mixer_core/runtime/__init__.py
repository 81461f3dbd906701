"""What every process needs: skeleton, settings, logs, metrics, errors. Neither numpy nor aiortc."""
