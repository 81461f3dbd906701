"""The journal's file: its records, its schema, and how it is read."""
