# SPDX-License-Identifier: Apache-2.0
"""Helpers that every kind of run shares."""
