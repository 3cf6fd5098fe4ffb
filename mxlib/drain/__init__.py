"""Emptying a queue: which destinations are tried, and which clients still come."""
