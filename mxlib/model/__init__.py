"""Plain values that all folders exchange, and what these cookbooks keep on a host."""
