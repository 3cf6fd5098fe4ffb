"""Exim on Debian: its files, commands, log, spool, hints and retry rules."""
