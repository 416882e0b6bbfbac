"""The listener: what happens to connections before and after their requests. Knows no request of ours."""
