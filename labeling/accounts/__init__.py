"""Accounts: sign-in, roles, the gate in front of every route, and personal data."""
