"""Who may come in: users, their tokens, namespaces and memberships."""
