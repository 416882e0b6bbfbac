"""Jobs: rows in Postgres that are claimed under a lease, worked on, retried, and swept."""
