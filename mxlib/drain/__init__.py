"""Emptying a queue: which destinations are tried, and who still comes."""
