# SPDX-License-Identifier: Apache-2.0
"""Checks with a real Ray: two nodes on this machine, in an environment of their own. `make check-cluster` runs them."""
