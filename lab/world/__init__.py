"""The outside world of the lab: misbehaving mail servers, senders, and the proofs that stand outside the product."""
