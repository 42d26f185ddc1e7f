"""The window: pages over real runs, and the buttons that start new ones."""
