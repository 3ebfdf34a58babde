"""SQLite: one connection per thread, migrations, and what every table class shares."""
