"""Tests of the page with gateways of their own, and one Chromium in which somebody talks."""
