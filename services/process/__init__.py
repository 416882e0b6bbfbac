"""What every service process has: start, ports, health, monitoring, maintenance, workers and traces."""
