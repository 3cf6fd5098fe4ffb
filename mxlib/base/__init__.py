"""Words, time, errors, threads: what knows nothing of mail."""
