# SPDX-License-Identifier: Apache-2.0
"""SQLite: one connection per thread, migrations, and the base of every table class."""
