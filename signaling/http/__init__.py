"""The public HTTP port: pages, offers, health, metrics, transcripts."""
