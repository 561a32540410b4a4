"""Users: who they are, how they sign in, what they may change, and how they leave."""
