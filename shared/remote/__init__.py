"""Remote addresses that users give: checked (``gate``), then asked or sent to (``client``)."""
