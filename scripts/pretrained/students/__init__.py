"""Small super-resolvers that learn from large ones' answers."""
