# SPDX-License-Identifier: Apache-2.0
"""The help of the command line: the parser of every command, and the examples that its help ends with."""
