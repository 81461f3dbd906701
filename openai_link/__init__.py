"""One process per room: the connection to the Realtime API, and turn policy."""
