# SPDX-License-Identifier: Apache-2.0
"""Maintenance of a home: the check of its store and files, and the repair of what can be recomputed."""
