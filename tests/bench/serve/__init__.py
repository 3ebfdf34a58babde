# SPDX-License-Identifier: Apache-2.0
"""The server measured under load, on large homes, after kills and in a browser."""
