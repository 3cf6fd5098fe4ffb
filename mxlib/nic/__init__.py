"""The network names of a host: their forecast, the preparation for another name, and their repair."""
