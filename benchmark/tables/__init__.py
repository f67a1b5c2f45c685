"""Records to tables: means, intervals and tests, in Markdown, LaTeX and CSV."""
