# SPDX-License-Identifier: Apache-2.0
"""Reads across tables: preference rows, snapshots, the event stream, head-to-head results."""
