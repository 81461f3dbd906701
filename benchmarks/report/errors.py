"""What ends a benchmark."""


class BenchmarkError(RuntimeError):
    """A benchmark cannot go on; the message says what was wrong and what to do."""
