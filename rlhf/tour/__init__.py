# SPDX-License-Identifier: Apache-2.0
"""The tour: the whole loop with simulated labelers, without a browser, ending in a report."""
