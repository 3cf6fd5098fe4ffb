"""The plain values that all others exchange, and what these cookbooks keep on a host."""
