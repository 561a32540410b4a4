"""The way to real exchanges: their ccxt classes, as this installation reaches them and as OctoBot finds them."""
