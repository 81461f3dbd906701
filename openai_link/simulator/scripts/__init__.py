"""What the simulator says: built-in behaviours and scripts in TOML."""
