# SPDX-License-Identifier: Apache-2.0
"""HTTP helpers that know nothing of accounts: proxies, sockets, responses, page layout."""
