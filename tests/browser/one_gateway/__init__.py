"""Tests of the page that want a gateway of the same settings: a package, so that they share it."""
