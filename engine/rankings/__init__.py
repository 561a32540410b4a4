"""Rankings of running tournaments, kept up in memory."""
