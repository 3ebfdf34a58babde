# SPDX-License-Identifier: Apache-2.0
"""Labeling processes beside the server: one interpreter answers about 320 labels a second, the database takes more."""
