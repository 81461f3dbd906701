"""One process per browser: its peer connection, its data channel, its outbox."""
