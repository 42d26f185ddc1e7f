"""Speed against peers, both sides in one run."""
