"""What answers: a brain that echoes, one that plays a tone, one that follows a script."""
