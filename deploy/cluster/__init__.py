"""An example of three nodes: certificates, and all of it on one machine (docs/cluster.md)."""
