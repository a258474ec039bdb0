"""What runs take: their phases, how they spread, and what makes one of them slow."""
