# SPDX-License-Identifier: Apache-2.0
"""The HTTP routes of other machines that work on runs."""
