# SPDX-License-Identifier: Apache-2.0
"""Row formats of fine-tuning files, chats and annotation tools; the contract stands in `data.formats.rows`."""
