# SPDX-License-Identifier: Apache-2.0
"""The schema of sign-in and personal data: one-time links, identities at a provider, rules on one's own data.

Never edited: later changes are migrations.
"""

from __future__ import annotations

PEOPLE = """
CREATE TABLE invitations (
    hash TEXT PRIMARY KEY,              -- sha256 of the link's token
    role TEXT NOT NULL CHECK (role IN ('labeler', 'researcher')),
    account_id INTEGER REFERENCES accounts (id),    -- whose password it sets; NULL: it makes an account
    invited_by INTEGER REFERENCES accounts (id),    -- NULL: the command line
    expires_at TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE TABLE identities (
    issuer TEXT NOT NULL,               -- an OpenID provider
    subject TEXT NOT NULL,              -- and its name for a person, which it never gives to another one
    account_id INTEGER NOT NULL REFERENCES accounts (id),
    created_at TEXT NOT NULL,
    PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;
CREATE TABLE own_data (
    project_id INTEGER PRIMARY KEY REFERENCES projects (id),
    allowed TEXT NOT NULL CHECK (allowed IN ('nothing', 'download', 'erase'))   -- without a row: erase, which includes download
) STRICT;
"""
