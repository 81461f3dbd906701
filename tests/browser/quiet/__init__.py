"""Tests of the page that share a Chromium whose microphone is silent, and mostly a gateway."""
