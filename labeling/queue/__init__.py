"""The queue: which item a labeler gets, leases, and recording the answers."""
