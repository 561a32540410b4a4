"""Live accounts against loopback exchanges: the real engine, the real OctoBot, the real ccxt classes."""
