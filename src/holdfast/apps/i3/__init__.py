"""Intermud-3: muds that talk to each other."""
