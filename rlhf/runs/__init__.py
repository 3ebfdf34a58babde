# SPDX-License-Identifier: Apache-2.0
"""Runs: preflight checks, the launcher, the supervisor, the worker, commands on runs."""
