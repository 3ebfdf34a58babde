"""Helpers that every kind of run shares."""
