# SPDX-License-Identifier: Apache-2.0
"""The version of the application, shown by `--version`, `/healthz`, exports and backups."""

__version__ = "0.1.0"
