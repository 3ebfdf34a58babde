"""What people do: queue, lease, session, agreement, accounts, the gate, the HTTP API, simulated labelers, the labeler's page."""
