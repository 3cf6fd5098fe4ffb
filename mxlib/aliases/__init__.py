"""Alias generators that hang: found, run anew, proven on every exchanger."""
