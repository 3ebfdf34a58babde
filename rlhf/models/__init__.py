# SPDX-License-Identifier: Apache-2.0
"""Models of a run: the starting policy, reward sources, adapters to train."""
