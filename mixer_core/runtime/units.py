"""Units of time, in nanoseconds. Every time in the code is an integer number of them."""

US_NS = 1_000
MS_NS = 1_000_000
S_NS = 1_000_000_000
