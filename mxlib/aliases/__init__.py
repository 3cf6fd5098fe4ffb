"""Alias generators that hang: found, run again, proven on every exchanger."""
