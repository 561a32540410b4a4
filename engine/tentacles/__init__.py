"""What the code of tentacles tells of their settings; a process of its own, since they are foreign code."""
