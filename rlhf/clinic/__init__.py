"""The data clinic: how many rows, how different, how good. What it finds, chosen rows and trials of them; docs/clinic.md explains."""
