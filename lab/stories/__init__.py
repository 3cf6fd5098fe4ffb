"""Replays of incidents, each beside the timeline of the original."""
