"""The mail transfer agent: what is asked of it and done to it, whichever it is."""
