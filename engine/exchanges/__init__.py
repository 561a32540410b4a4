"""Real exchanges: their ccxt classes with this installation's addresses, and as OctoBot finds them."""
