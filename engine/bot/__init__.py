"""The operator's bot: a whole OctoBot with the profile, tentacles and keys of its home, in a process of its own."""
