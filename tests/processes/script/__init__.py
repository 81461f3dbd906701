"""Tests of whole calls that share gateways whose assistant answers by a script."""
