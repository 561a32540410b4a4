"""Orders: what they are, and what they are held against before OctoBot sees them."""
