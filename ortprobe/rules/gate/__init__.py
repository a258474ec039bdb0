"""What a capture has to keep to: which findings are too grave, budgets, and what must not grow beyond a baseline."""
