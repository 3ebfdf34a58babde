# SPDX-License-Identifier: Apache-2.0
"""The HTTP API: the session's verbs, import and export, for programs with a token."""
