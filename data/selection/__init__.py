# SPDX-License-Identifier: Apache-2.0
"""Selection of rows, as mathematics on vectors, texts and scores, without models or the store."""
