"""Units: every time in the code is an integer number of nanoseconds."""

US_NS = 1_000
MS_NS = 1_000_000
S_NS = 1_000_000_000
MIB_BYTES = 1 << 20
