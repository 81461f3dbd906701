"""Sound to and from the assistant: Opus, RTP, pacing up and down."""
