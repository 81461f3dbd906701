"""What benchmarks measure with: load, servers, baselines, processes."""
