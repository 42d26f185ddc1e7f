"""What the embedded router is made of: utterances, features, what was learned from them, clauses, and costs."""
