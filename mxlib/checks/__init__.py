"""Checks: pure functions from facts and policy to a verdict."""
