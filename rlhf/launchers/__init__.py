# SPDX-License-Identifier: Apache-2.0
"""Launchers: where runs work. Each starts runs, says whether they live, and stops them."""
