"""What people have heard of a reply, and where an interrupted one ends."""
