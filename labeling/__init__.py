# SPDX-License-Identifier: Apache-2.0
"""Labeling: queue, leases, sessions, label quality, accounts, the gate, the HTTP API, simulated labelers and pages."""
