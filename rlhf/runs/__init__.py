# SPDX-License-Identifier: Apache-2.0
"""Runs: preflight checks, the supervisor, the worker, the launcher."""
