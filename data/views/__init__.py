"""Reads across tables: preference rows, snapshots, the event stream, head-to-head results."""
