"""What benchmarks measure with: clients, servers, baselines, counters of processes."""
