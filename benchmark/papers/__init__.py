"""The papers' published numbers, the runs that their tables need, and both side by side."""
