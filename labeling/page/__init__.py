"""The labeler's page /label."""
