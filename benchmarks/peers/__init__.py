"""Other people's software that does a part of the work: how to install it, and how to drive it."""
