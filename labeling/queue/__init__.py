# SPDX-License-Identifier: Apache-2.0
"""The queue: the selection of the next item, leases, and the recording of answers."""
