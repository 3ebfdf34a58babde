# SPDX-License-Identifier: Apache-2.0
"""The charts of the Runs page: the curves of several runs as JSON, and the browser's files that draw them."""
