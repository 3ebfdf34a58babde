"""Runs: preflight checks, the supervisor, the worker, the launcher."""
