"""Requests to addresses that users give: ``gate`` checks the address, ``client`` sends the request."""
