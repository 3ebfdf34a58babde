"""Label quality: agreement between labelers, reliability and position bias of each labeler, and reports on them."""
