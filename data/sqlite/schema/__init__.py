"""The schema: every table, index and trigger, one file per group of tables."""
