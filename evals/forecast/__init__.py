"""What a run will take, said before it starts: measured on a few real steps, checked when it has ended."""
