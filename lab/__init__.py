"""The lab: two real mail exchangers on a real Ganeti, with everything around them, on one machine."""
