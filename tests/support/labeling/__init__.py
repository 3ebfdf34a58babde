# SPDX-License-Identifier: Apache-2.0
"""Accounts and answers for the tests of the labeling layer."""
