"""Intermud-3."""
