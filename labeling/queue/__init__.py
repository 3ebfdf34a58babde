"""The queue: the selection of the next item, leases, and the recording of answers."""
