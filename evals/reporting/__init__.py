"""What people read of a run: one page without scripts, Markdown for a pull request, a PDF; all from the same tables."""
