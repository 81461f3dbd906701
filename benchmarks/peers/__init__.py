"""Other software that does part of the gateway's work: how to install, run and measure it."""
