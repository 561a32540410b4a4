"""Live futures accounts: positions in linear perpetuals that are held at the exchange."""
