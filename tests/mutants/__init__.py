"""Would the tests notice? One small mistake at a time is made in a copy of the package, and focused tests must fail."""
