"""Who answers: a brain that repeats, one that hums, and one that follows a script."""
