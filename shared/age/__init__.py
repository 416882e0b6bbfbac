"""Encrypts streams for recipients, as age files (https://age-encryption.org/v1), and decrypts them."""
