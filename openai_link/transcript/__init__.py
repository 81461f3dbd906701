"""The conversation's record: items in order, who said them, and what a new session is told."""
