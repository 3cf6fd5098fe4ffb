"""What a run is handed: a host, the operator, the slot, the pool, silences, the machine from outside."""
