# SPDX-License-Identifier: Apache-2.0
"""The Playground page: its components and handlers, its HTML, and what it offers to choose from."""
