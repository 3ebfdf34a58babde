# SPDX-License-Identifier: Apache-2.0
"""Import, export, backup and the hub: files in, files out."""
