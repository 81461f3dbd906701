"""A node of a cluster: which rooms are here, what is asked of other nodes, and how it is left."""
