"""Tests of whole calls that share a gateway whose assistant repeats what it hears."""
