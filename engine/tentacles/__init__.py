"""The settings of tentacles, asked of their code in a separate process, since it is foreign code."""
