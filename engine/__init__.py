"""The OctoBot host: the only room that imports OctoBot and ccxt."""
