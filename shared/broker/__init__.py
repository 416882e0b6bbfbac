"""Messages between services: the port, RabbitMQ, and one process."""
