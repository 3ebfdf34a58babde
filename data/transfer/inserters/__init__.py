# SPDX-License-Identifier: Apache-2.0
"""Inserters of labels: pairs and comparisons, and rankings."""
