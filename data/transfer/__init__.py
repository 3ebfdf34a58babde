"""Import, export, backup and the hub: files in, files out."""
