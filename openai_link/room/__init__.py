"""One room: its engine without I/O, and the shell that carries its actions out."""
