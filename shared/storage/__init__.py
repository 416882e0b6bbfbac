"""Object storage: the port (``base``), its adapters (``s3``, ``filesystem``), its errors and keys."""
