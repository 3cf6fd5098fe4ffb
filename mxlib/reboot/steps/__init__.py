"""Acting: one effect a file, idempotent, with its undo registered before it acts."""
