# SPDX-License-Identifier: Apache-2.0
"""The addresses of audited requests, apart from the acts: an erasure deletes them."""

TABLE = """
CREATE TABLE audit_addresses (
    audit_id INTEGER PRIMARY KEY REFERENCES audit (id),
    address TEXT NOT NULL
) STRICT
"""
