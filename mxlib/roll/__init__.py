"""The same for all exchangers, one after the other."""
