"""Game day: something is broken, alerts fire, and a person, or a script that reads the runbook, finds and mends it."""
