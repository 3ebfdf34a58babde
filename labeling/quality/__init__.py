# SPDX-License-Identifier: Apache-2.0
"""Label quality: agreement between labelers, reliability and position bias of each labeler, and reports on them."""
