"""The public HTTP port: the page, joining and leaving, health, metrics, transcripts."""
