"""HTTP helpers that know nothing of accounts: proxies, sockets, responses, page layout."""
