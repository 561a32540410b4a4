"""A whole tournament against the running product: joined, traded, killed, ended by the clock, and recomputed."""
