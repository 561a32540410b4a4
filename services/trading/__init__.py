"""Orders, trades and positions of accounts, and the limits of their risk."""
