# SPDX-License-Identifier: Apache-2.0
"""The writing side of formats: the row of a shape, the columns of each format, and tables of each kind of file."""
