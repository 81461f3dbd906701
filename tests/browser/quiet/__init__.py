"""Tests of the page with gateways of their own, and one Chromium whose microphone is silent."""
