"""The wire: bytes, URLs, headers and forms as pure functions. Nothing here waits, and nothing knows a customer."""
