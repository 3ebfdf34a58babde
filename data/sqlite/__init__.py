# SPDX-License-Identifier: Apache-2.0
"""SQLite: one connection per thread, migrations, and what every table class shares."""
