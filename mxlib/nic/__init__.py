"""A machine's network names: foretold, prevented, repaired."""
