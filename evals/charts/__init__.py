"""Charts of what was measured, the same in the report and in the dashboard; each has a title that says the finding."""
