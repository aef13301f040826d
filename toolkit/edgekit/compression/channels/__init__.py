"""Removing whole channels from a network."""
