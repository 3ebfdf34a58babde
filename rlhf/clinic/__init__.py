# SPDX-License-Identifier: Apache-2.0
"""The data clinic: examine instruction rows, choose some, and test what they teach. See docs/clinic.md."""
