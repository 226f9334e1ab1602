"""Connections, without a network."""
