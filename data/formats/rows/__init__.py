# SPDX-License-Identifier: Apache-2.0
"""Row formats: a module each, with functions that read a row into a shape and write a shape as a row."""
