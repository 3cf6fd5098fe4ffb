"""Protocols of what a run is given: a host, the operator, the slot, the pool, silences, the machine from outside."""
