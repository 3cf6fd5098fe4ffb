"""What the documentation takes from the code, so that it cannot be out of date."""
