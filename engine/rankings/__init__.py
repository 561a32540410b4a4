"""Rankings of running tournaments, kept up to date in memory."""
