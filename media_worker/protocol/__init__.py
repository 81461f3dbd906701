"""What travels on a browser's data channels: control JSON both ways, and audio."""
