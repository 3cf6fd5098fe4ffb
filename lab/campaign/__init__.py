"""Runs of reboot-mx under random faults, each judged by what was seen from outside."""
