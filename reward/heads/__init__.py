# SPDX-License-Identifier: Apache-2.0
"""Reward heads on cached features of the frozen base, which learn from few labels in a second."""
