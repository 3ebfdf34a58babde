# SPDX-License-Identifier: Apache-2.0
"""Parts of the Data page that prepare an import."""
