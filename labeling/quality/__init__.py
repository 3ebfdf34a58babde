"""Label quality: agreement, reliability, reports on labelers."""
