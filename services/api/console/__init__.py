"""The web console: static files over our own API, and the page that loads them."""
