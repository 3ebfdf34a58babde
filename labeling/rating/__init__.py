# SPDX-License-Identifier: Apache-2.0
"""Ratings of instruction rows, 0 to 5 points, by people and by simulated raters."""
