# SPDX-License-Identifier: Apache-2.0
"""Accounts: sign-in, roles, the gate in front of every route, and personal data."""
