# SPDX-License-Identifier: Apache-2.0
"""Documents of an exported folder: the data card and Croissant metadata."""
