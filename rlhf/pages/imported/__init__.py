# SPDX-License-Identifier: Apache-2.0
"""The part of the Data page that lists imported rows, and retracts and restores them."""
