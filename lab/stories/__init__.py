"""Incidents replayed, their timeline beside the one of then."""
