"""Reading: one noun a file, the command that reads it and the pure parser of its output."""
