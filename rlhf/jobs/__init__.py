# SPDX-License-Identifier: Apache-2.0
"""Runs on other machines: bundles out, reports and results back, each exactly once."""
