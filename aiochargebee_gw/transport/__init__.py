"""How a request gets out: one small protocol and its implementations. A transport does not know what a customer is."""
