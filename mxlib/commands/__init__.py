"""A file a cookbook: from what the operator said to an exit code."""
