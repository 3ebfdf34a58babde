# SPDX-License-Identifier: Apache-2.0
"""Labeling projects on the command line: options, commands, and their output."""
