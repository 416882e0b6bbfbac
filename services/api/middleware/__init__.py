"""What surrounds every handler. It reads the attributes of a route, and knows no handler."""
